"""Windows of several files share a batch where no bit of a row feels it, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.manifest import load_items
from audiossl.embedding import company
from audiossl.embedding.company import Company, company_is_harmless, noise_like, places_are_alike
from audiossl.embedding.engine import Engine
from audiossl.embedding.jobs import Embedded, jobs_of
from audiossl.embedding.options import EmbedOptions
from audiossl.recipe.encoders import AudioNtt2020Config, VggLikeConfig
from audiossl.recipe.image_encoders import ImageResNet18Config
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.schema import ImageRecipe, Recipe

FILES = 11
SOUND = np.zeros(5, np.float32)


def alone(batch: list[np.ndarray]) -> np.ndarray:
    """Rows (B, 1, 3) that nothing but their own window decides."""
    return np.stack([window[:3] for window in batch])[:, None]


def felt_at(size: int, place: int) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Such rows, but for the last bit of one value, at one place in batches of one size."""

    def encode(batch: list[np.ndarray]) -> np.ndarray:
        rows = alone(batch).copy()
        if len(batch) == size:
            rows[place, 0, 1] = np.nextafter(rows[place, 0, 1], np.float32(9))
        return rows

    return encode


def test_rows_that_only_their_window_decides_are_found_harmless():
    assert company_is_harmless(alone, noise_like(SOUND, 4))


@pytest.mark.parametrize(("size", "place"), [(2, 0), (2, 1), (3, 2), (4, 3), (4, 0)])
def test_one_bit_at_one_place_of_one_size_is_harm(size, place):
    assert not company_is_harmless(felt_at(size, place), noise_like(SOUND, 4))
    assert company_is_harmless(felt_at(size, place), noise_like(SOUND, size - 1)) or size == 2


def test_noise_is_as_long_and_of_the_type_of_the_window():
    pictures = noise_like(np.zeros(3000, np.uint8), 2)
    assert [part.dtype for part in pictures] == [np.uint8] * 2 and {0, 255} <= set(pictures[0].tolist())
    sounds = noise_like(SOUND, 3)
    assert [(part.dtype, len(part)) for part in sounds] == [(np.float32, 5)] * 3


def test_rows_that_are_all_the_same_show_nothing():
    assert not company_is_harmless(lambda batch: np.zeros((len(batch), 1, 3), np.float32), noise_like(SOUND, 4))


def test_a_length_is_tried_once_and_only_where_it_is_worth_it():
    calls: list[int] = []
    seen = Company(lambda batch: calls.append(len(batch)) or alone(batch))
    needed = company._WORTH * (1 + 2 + 3)
    assert [seen.is_harmless(SOUND, 3) for _ in range(needed - 1)] == [False] * (needed - 1) and not calls
    assert seen.is_harmless(SOUND, 3) and calls == [1, 1, 1, 2, 3]
    assert all(seen.is_harmless(SOUND, 3) for _ in range(needed)) and len(calls) == 5
    for most in (1, company.MOST_WINDOWS + 1):
        assert not any(seen.is_harmless(np.zeros(6 + most, np.float32), most) for _ in range(1000)) and len(calls) == 5


def test_where_all_lengths_differ_none_is_tried_or_kept():
    seen = Company(lambda batch: pytest.fail("tried"))
    assert not any(seen.is_harmless(np.empty(length, np.uint8), 4) for length in range(1, 3 * company._COUNTED_LENGTHS))
    assert len(seen._met) <= company._COUNTED_LENGTHS + 1


def test_while_one_thread_tries_the_others_go_on():
    entered, go = threading.Event(), threading.Event()

    def slow(batch: list[np.ndarray]) -> np.ndarray:
        entered.set()
        assert go.wait(5)
        return alone(batch)

    seen = Company(slow)
    thread = threading.Thread(target=lambda: [seen.is_harmless(SOUND, 2) for _ in range(company._WORTH * 3)])
    thread.start()
    assert entered.wait(5) and not seen.is_harmless(SOUND, 2)
    go.set()
    thread.join()
    assert seen.is_harmless(SOUND, 2)


class FakeExtractor:
    """Rows of two values of the window; `felt`: and of how many there are."""

    device, embedding_dim = torch.device("cpu"), 2

    def __init__(self, felt: bool) -> None:
        self.felt, self.sizes = felt, []

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        return samples

    def rows(self, x_BS: Tensor) -> Tensor:
        return x_BS[:, None, 100:102] + (1e-7 * len(x_BS) if self.felt else 0)

    def encode(self, x_BS: Tensor) -> Tensor:
        self.sizes.append(len(x_BS))
        return self.rows(x_BS)


@pytest.mark.parametrize(("felt", "sizes"), [(False, [4, 4, 3]), (True, [1] * FILES)])
def test_files_share_batches_where_rows_do_not_feel_it_and_only_there(bundle, sounds, monkeypatch, felt, sizes):
    monkeypatch.setattr(company, "_WORTH", 0)
    engine = Engine(bundle, EmbedOptions(workers=1))
    engine.extractor = FakeExtractor(felt)
    results = list(engine.run(jobs_of(load_items(str(sounds(*[2.6] * FILES))))))
    assert engine.extractor.sizes == sizes and len(results) == FILES


def test_a_batch_is_never_longer_than_asked_for(bundle, sounds, monkeypatch):
    monkeypatch.setattr(company, "_WORTH", 0)
    engine = Engine(bundle, EmbedOptions(workers=1, batch_s=6.0))
    engine.extractor = FakeExtractor(felt=False)
    list(engine.run(jobs_of(load_items(str(sounds(*[2.6] * FILES))))))
    assert engine.extractor.sizes == [2, 2, 2, 2, 2, 1]


@pytest.mark.parametrize("encoder", [AudioNtt2020Config(), VggLikeConfig()])
def test_rows_have_the_same_bits_in_any_order_by_any_workers_tried_or_not(sounds, monkeypatch, encoder):
    bundle = untrained_bundle(Recipe(encoder=encoder), Statistics(-7.0, 4.0), seed=0)
    folder = sounds(*[1.5] * (FILES - 2), 0.4, 3.1)
    jobs = jobs_of(load_items(str(folder)))

    def rows(jobs, workers: int, worth: int) -> dict[int, np.ndarray]:
        monkeypatch.setattr(company, "_WORTH", worth)
        results = list(Engine(bundle, EmbedOptions(workers=workers)).run(jobs))
        assert all(isinstance(result, Embedded) for result in results)
        return {result.job.index: result.embeddings for result in results}

    wanted = rows(jobs, workers=1, worth=10**9)
    for found in (rows(jobs, 1, 0), rows(jobs[::-1], 3, 0), rows(jobs[::2], 2, 0) | rows(jobs[1::2], 1, 0)):
        assert found.keys() == wanted.keys()
        assert all(found[index].tobytes() == wanted[index].tobytes() for index in wanted)


def test_noise_is_not_counted_as_compared_windows(bundle, sounds, monkeypatch):
    monkeypatch.setattr(company, "_WORTH", 0)
    engine = Engine(bundle, EmbedOptions(workers=1, precision="bf16"))
    list(engine.run(jobs_of(load_items(str(sounds(*[1.5] * FILES))))))
    assert engine.about()["precision_check"]["windows"] == FILES


def feels_its_place(batch: list[np.ndarray]) -> np.ndarray:
    """Such rows, but for the last bit of the last of each batch."""
    return felt_at(len(batch), len(batch) - 1)(batch)


def feels_its_neighbour(batch: list[np.ndarray]) -> np.ndarray:
    """Such rows, but for a last bit that hangs on whether there is a next window."""
    rows = alone(batch).copy()
    for row, neighbour in zip(rows, [*batch[1:], batch[0]], strict=True):
        row[0, 1] = np.nextafter(row[0, 1], np.float32(9 if neighbour.any() else -9))
    return rows


@pytest.mark.parametrize("size", [2, 3, 8, 32])
def test_in_full_batches_only_place_and_neighbours_may_do_harm(size):
    windows = noise_like(SOUND, size)
    assert places_are_alike(alone, windows)
    other_size = felt_at(size - 1, 0)
    assert places_are_alike(other_size, windows), "batches of other sizes do not come up"
    assert not places_are_alike(feels_its_place, windows)
    assert not places_are_alike(feels_its_neighbour, windows)
    assert not places_are_alike(lambda batch: np.zeros((len(batch), 1, 3), np.float32), windows)


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@pytest.mark.parametrize("workers", [1, 3])
def test_a_picture_has_the_same_bits_whatever_it_is_embedded_beside(tmp_path, monkeypatch, workers):
    recipe = ImageRecipe(encoder=ImageResNet18Config(width=8), frontend=PixelsConfig(side=16))
    bundle = untrained_bundle(recipe, Statistics((0.5,) * 3, (0.25,) * 3), seed=0)
    items = load_items(pictures(tmp_path / "p", 70))
    sizes: list[int] = []

    def rows(chosen: list[int], workers: int) -> dict[str, bytes]:
        engine = Engine(bundle, EmbedOptions(workers=workers))
        encode = engine.extractor.encode
        monkeypatch.setattr(engine.extractor, "encode", lambda x_BS: sizes.append(len(x_BS)) or encode(x_BS))
        done = list(engine.run(jobs_of(items.take(chosen))))
        assert all(isinstance(result, Embedded) for result in done)
        return {str(result.job.path): result.embeddings.tobytes() for result in done}

    together = rows(list(range(70)), workers)
    assert set(sizes) == {32}, "always full"
    alone_or_backwards = rows(list(range(69, 9, -1)), 2) | rows([4], 1)
    assert {path: together[path] for path in alone_or_backwards} == alone_or_backwards
    for path in list(together)[:3]:
        pixels = np.asarray(PIL.Image.open(path)).transpose(2, 0, 1)
        np.testing.assert_allclose(np.frombuffer(together[path], np.float32), bundle.embed(pixels), atol=1e-5)


def test_pictures_that_feel_their_place_go_one_by_one(tmp_path, monkeypatch):
    recipe = ImageRecipe(encoder=ImageResNet18Config(width=8), frontend=PixelsConfig(side=16))
    bundle = untrained_bundle(recipe, Statistics((0.5,) * 3, (0.25,) * 3), seed=0)
    items, sizes = load_items(pictures(tmp_path / "p", 5)), []
    engine = Engine(bundle, EmbedOptions(workers=2))
    monkeypatch.setattr(engine.extractor, "rows", lambda x_BS: torch.zeros(len(x_BS), 1, 64))
    blind = torch.ones(1, 1, 64)
    monkeypatch.setattr(engine.extractor, "encode", lambda x_BS: sizes.append(len(x_BS)) or blind[: len(x_BS)])
    assert len(list(engine.run(jobs_of(items)))) == 5 and sizes == [1] * 5

"""Batches are a pure function of the step: any worker, any start, the same crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.data.batches import CropBatches, Plan, centre_crops, for_rank, make_loader
from audiossl.data.decoded import DecodedStore, FileSource
from audiossl.data.texts import text_rows
from audiossl.errors import AudioError, MediaError, RecipeError

LENGTH, CROP, HOP = 200, 50, 10


class Ramps:
    """Clip i counts up from 1000 * i, so a crop tells where it was cut."""

    def __init__(self, n: int, broken: tuple[int, ...] = ()) -> None:
        self.n, self.broken = n, broken

    def __len__(self) -> int:
        return self.n

    def length(self, index: int) -> int:
        return LENGTH

    def read(self, index: int, start: int, length: int):
        if index in self.broken:
            raise AudioError(f"{index}.wav", "is broken")
        return np.arange(start, start + length, dtype=np.float32) + 1000 * index


def plan(n: int = 10, **changes) -> Plan:
    settings = {"batch_size": 4, "crop_samples": CROP, "hop": HOP, "seed": 3, **changes}
    return Plan(indices=np.arange(n), **settings)


def test_an_epoch_visits_every_clip_at_most_once_and_reshuffles():
    epochs = [np.concatenate([plan().clips(epoch * 2 + place) for place in range(2)]) for epoch in range(30)]
    assert all(len(set(epoch.tolist())) == 8 for epoch in epochs)
    assert {tuple(epoch) for epoch in epochs}.__len__() == 30
    assert set(np.concatenate(epochs).tolist()) == set(range(10))


def test_crops_start_everywhere_on_the_grid_the_last_place_included():
    starts = {start for step in range(400) for start in plan().starts(step, 0, LENGTH)}
    assert starts == set(range(0, LENGTH - CROP + 1, HOP))


def test_views_are_rows_of_their_own_and_lie_where_they_say():
    batch = CropBatches(Ramps(10), plan())[5]
    assert batch.wave.shape == (8, CROP)
    rows = batch.wave.view(2, 4, CROP)
    for place, clip in enumerate(batch.index.tolist()):
        for view, start in enumerate(plan().starts(5, clip, LENGTH)):
            assert torch.equal(rows[view, place], torch.arange(start, start + CROP) + 1000.0 * clip)


def test_crops_of_views_can_be_the_same():
    rows = CropBatches(Ramps(10), plan(independent=False))[1].wave.view(2, 4, CROP)
    assert torch.equal(rows[0], rows[1])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_begins_later_gives_the_same_batches(workers):
    whole = [CropBatches(Ramps(10), plan())[step] for step in range(7)]
    later = list(make_loader(Ramps(10), plan(), 3, 7, workers=workers))
    assert [batch.step for batch in later] == [3, 4, 5, 6]
    for expected, seen in zip(whole[3:], later, strict=True):
        assert torch.equal(expected.wave, seen.wave)
        assert torch.equal(expected.index, seen.index)


def test_ranks_share_a_batch_without_overlap():
    whole = plan(batch_size=6)
    parts = [for_rank(whole, rank, 2).clips(0) for rank in range(2)]
    assert np.concatenate(parts).tolist() == whole.clips(0).tolist()


def test_a_broken_clip_is_left_out_and_named_and_changes_nothing_else():
    good, bad = (CropBatches(Ramps(10, broken), plan()) for broken in ((), (7,)))
    step = next(step for step in range(9) if 7 in good[step].index)
    keep = [place for place, clip in enumerate(good[step].index.tolist()) if clip != 7]
    assert bad[step].failures == [(7, "is broken")]
    assert bad[step].index.tolist() == good[step].index[keep].tolist()
    expected = good[step].wave.view(2, 4, CROP)[:, keep].reshape(-1, CROP)
    assert torch.equal(bad[step].wave, expected)


TEXTS = [f"clip {i}" for i in range(10)]


@pytest.mark.parametrize("workers", [0, 1])
def test_every_clip_of_a_batch_brings_its_own_text(workers):
    batches = make_loader(Ramps(10, broken=(7,)), plan(text_bytes=9), 0, 3, texts=TEXTS, workers=workers)
    for batch in batches:
        assert batch.text.shape == (len(batch.index), 9)
        assert [bytes(row.tolist()).decode() for row in batch.text] == [f"clip {i}\0\0\0" for i in batch.index.tolist()]


def test_a_batch_has_no_text_unless_the_method_reads_it():
    assert CropBatches(Ramps(10), plan())[0].text is None


@pytest.mark.parametrize(
    ("text", "length", "content"),
    [
        ("rain", 6, b"rain\0\0"),
        ("rain", 4, b"rain"),
        ("rainfall", 4, b"rain"),
        ("", 2, b"\0\0"),
        ("a\0b", 4, b"a b\0"),
        ("aé", 3, "aé".encode()),
        ("aé", 2, b"a\0"),
        ("🐕🐕", 7, "🐕".encode() + b"\0\0\0"),
    ],
)
def test_texts_are_utf8_bytes_cut_between_characters(text, length, content):
    (row,) = text_rows([text], length)
    assert (bytes(row.tolist()), row.dtype) == (content, torch.int64)


def test_a_batch_larger_than_the_data_says_what_to_write():
    with pytest.raises(RecipeError, match=r"batch_size 4 is larger than the data \(3 clips\)"):
        plan(3)


def test_the_middle_crop_is_in_the_middle():
    (row,), kept = centre_crops(Ramps(1), np.array([0]), plan(4))
    assert row[0] == 70
    assert kept == [0]


def test_a_broken_clip_has_no_middle_crop():
    rows, kept = centre_crops(Ramps(3, broken=(1,)), np.arange(3), plan(4))
    assert kept == [0, 2]
    assert rows[:, 0].tolist() == [70, 2070]


def test_the_store_keeps_every_clip_to_16_bits_of_its_own_peak(tmp_path):
    generator = np.random.default_rng(0)
    clips = [generator.standard_normal(n).astype(np.float32) * peak for n, peak in ((90, 1e-3), (40, 1.0), (7, 50.0))]
    paths = [tmp_path / f"{i}.wav" for i in range(4)]

    def prepared(index: int):
        if index == 3:
            raise AudioError(paths[3], "is broken")
        return clips[index]

    store = DecodedStore.make(tmp_path / "store", paths, prepared)
    assert [store.length(i) for i in range(4)] == [90, 40, 7, 0]
    assert [(failure.index, failure.cause) for failure in store.failures] == [(3, "is broken")]
    for index, clip in enumerate(clips):
        assert np.abs(store.read(index, 0, len(clip)) - clip).max() <= np.abs(clip).max() / 32767
    again = DecodedStore.make(tmp_path / "store", paths, lambda index: pytest.fail("decoded twice"))
    assert np.array_equal(again.read(1, 5, 10), store.read(1, 5, 10))


def test_a_file_shorter_than_its_header_is_an_error_not_a_short_crop():
    source = FileSource(lambda index: np.zeros(30, np.float32), [100])
    assert len(source.read(0, 0, 30)) == 30
    with pytest.raises(MediaError, match="promised 50"):
        source.read(0, 0, 50)

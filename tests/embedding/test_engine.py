"""The pipeline: a row depends on its own file alone, whatever company, order or number of workers."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Item, Items
from audiossl.data.manifest import load_items
from audiossl.embedding.engine import Engine
from audiossl.embedding.features import clip_features, readable_features
from audiossl.embedding.jobs import Embedded, Failed, Job, jobs_of
from audiossl.embedding.options import EmbedOptions
from audiossl.errors import DataError, UsageError
from audiossl.recipe.encoders import ResNet18Config, VggLikeConfig
from audiossl.recipe.schema import Recipe
from tests.embedding.conftest import RATE, chirp

LENGTHS = (1.0, 0.3, 2.5, 1.0, 1.7, 1.0)


def embedded(bundle, jobs, **options) -> dict[int, Embedded]:
    results = {result.job.index: result for result in Engine(bundle, EmbedOptions(**options)).run(jobs)}
    assert all(isinstance(result, Embedded) for result in results.values())
    return results


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("options", [{}, {"window_s": 0.5, "hop_s": 0.2}])
def test_a_file_alone_and_among_others_has_the_same_embedding_bit_for_bit(bundle, sounds, workers, options):
    jobs = jobs_of(load_items(str(sounds(*LENGTHS))))
    together = embedded(bundle, jobs[::-1], workers=workers, **options)
    for job in jobs:
        alone = embedded(bundle, [job], workers=1, **options)[job.index]
        assert np.array_equal(alone.embeddings, together[job.index].embeddings)
        assert np.array_equal(alone.start_s, together[job.index].start_s)


def test_the_engine_gives_what_the_bundle_gives(bundle, sounds):
    jobs = jobs_of(load_items(str(sounds(*LENGTHS))))
    for index, result in embedded(bundle, jobs, workers=2).items():
        wanted = bundle.embed(chirp(LENGTHS[index], 200 + 50 * index), RATE)
        assert np.allclose(result.clip, wanted, atol=1e-6)
        assert result.met["duration_s"] == LENGTHS[index] and result.met["sample_rate"] == RATE


@pytest.mark.parametrize("encoder", [None, VggLikeConfig(), ResNet18Config()])
def test_batches_filled_from_many_files_change_nothing_beyond_1e_5(bundle, sounds, encoder):
    if encoder is not None:
        bundle = untrained_bundle(Recipe(encoder=encoder), Statistics(-7.0, 4.0), seed=0)
    jobs = jobs_of(load_items(str(sounds(*LENGTHS))))
    own = embedded(bundle, jobs, workers=1)
    engine = Engine(bundle, EmbedOptions(workers=1, batch_s=4.0))
    engine.mix_files = True
    mixed = {result.job.index: result for result in engine.run(jobs)}
    for index, result in own.items():
        scale = np.abs(result.embeddings).max()
        assert np.abs(mixed[index].embeddings - result.embeddings).max() <= 1e-5 * scale


def test_mixed_batches_are_bounded_and_lose_nothing_when_a_file_fails(bundle, sounds):
    folder = sounds(*LENGTHS, *LENGTHS)
    (folder / "bad.wav").write_bytes(b"no sound")
    jobs = jobs_of(load_items(str(folder)))
    engine = Engine(bundle, EmbedOptions(workers=2, batch_s=1.0, window_s=0.25))
    engine.mix_files = True
    sizes, encode = [], engine.encode
    engine.encode = lambda batch: sizes.append(sum(map(len, batch))) or encode(batch)  # type: ignore[method-assign]
    results = list(engine.run(jobs))
    assert sum(isinstance(result, Failed) for result in results) == 1
    assert len(results) == len(jobs) and max(sizes) <= RATE
    for result in results:
        if isinstance(result, Embedded):
            assert result.start_s.tolist() == [0.25 * i for i in range(len(result.embeddings))]


def test_a_part_of_a_file_is_embedded_as_if_it_were_a_file_and_its_times_are_the_files(bundle, sounds):
    folder = sounds(3.0)
    items = Items.from_rows([Item("p", "a.wav", 0.5, 2.0), Item("tail", "a.wav", 2.5, None)], folder)
    part, tail = embedded(bundle, jobs_of(items), workers=1, window_s=0.5).values()
    assert part.start_s.tolist() == [0.5, 1.0, 1.5] and part.end_s.tolist() == [1.0, 1.5, 2.0]
    assert tail.start_s.tolist() == [2.5] and tail.met["duration_s"] == 0.5
    wanted = bundle.embed(chirp(3.0)[RATE : RATE + RATE // 2], RATE)
    assert np.allclose(part.embeddings[1], wanted, atol=1e-6)


def test_a_part_longer_than_a_block_equals_the_same_sound_as_a_file(bundle, sounds, monkeypatch):
    jobs = jobs_of(load_items(str(sounds(2.5))))
    whole = embedded(bundle, jobs, window_s=0.5, hop_s=0.3)[0]
    monkeypatch.setattr("audiossl.audio.reading.BLOCK_S", 0.7)
    in_blocks = embedded(bundle, jobs, window_s=0.5, hop_s=0.3)[0]
    as_part = embedded(bundle, [Job(0, jobs[0].path, 0.0, 2.5)], window_s=0.5, hop_s=0.3)[0]
    for other in (in_blocks, as_part):
        assert np.array_equal(other.start_s, whole.start_s)
        assert np.array_equal(other.embeddings, whole.embeddings)


def test_stopping_early_leaves_no_thread_and_the_thread_count_as_it_was(bundle, sounds):
    jobs = jobs_of(load_items(str(sounds(*LENGTHS)))) * 20
    before = torch.get_num_threads()
    results = Engine(bundle, EmbedOptions(workers=2)).run(jobs)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embed-")]
    assert torch.get_num_threads() == before


def test_a_bug_in_a_worker_is_raised_and_not_taken_for_a_bad_file(bundle, sounds, monkeypatch):
    jobs = jobs_of(load_items(str(sounds(*LENGTHS))))
    engine = Engine(bundle, EmbedOptions(workers=2))
    monkeypatch.setattr(engine, "encode", lambda batch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(engine.run(jobs))


def test_an_embedding_that_is_not_finite_fails_its_file(bundle, sounds, monkeypatch):
    jobs = jobs_of(load_items(str(sounds(1.0))))
    engine = Engine(bundle, EmbedOptions(window_s=0.5))
    monkeypatch.setattr(engine, "encode", lambda batch: np.full((len(batch), 1, 32), np.nan, np.float32))
    (result,) = engine.run(jobs)
    assert isinstance(result, Failed) and "not finite" in result.cause


def test_clip_features_are_in_the_order_of_the_items(bundle, sounds):
    items = load_items(str(sounds(*LENGTHS)))
    features = clip_features(bundle, items, EmbedOptions(workers=3))
    assert features.dtype == np.float32 and features.shape == (len(LENGTHS), 32)
    for index, length in enumerate(LENGTHS):
        assert np.allclose(features[index], bundle.embed(chirp(length, 200 + 50 * index), RATE), atol=1e-6)


def test_clip_features_name_what_failed_or_leave_it_out_on_request(bundle, sounds):
    folder = sounds(1.0, 1.0)
    (folder / "bad.wav").write_bytes(b"no sound")
    items = load_items(str(folder))
    with pytest.raises(DataError, match=r"bad\.wav: is not a sound file"):
        clip_features(bundle, items)
    features = readable_features(bundle, items)
    assert features.ok.tolist() == [True, True, False]
    assert [failed.job.path.name for failed in features.failures] == ["bad.wav"]
    assert not features.values[2].any()


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_a_usage_error(bundle, device):
    with pytest.raises(UsageError, match="write auto or cpu"):
        Engine(bundle, EmbedOptions(device=device))


def test_windows_below_a_sample_are_refused_before_anything_is_read(bundle):
    with pytest.raises(UsageError, match="window_s"):
        Engine(bundle, EmbedOptions(window_s=1e-6))

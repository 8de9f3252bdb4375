"""What a row is: pooling by slow loops over a bundle's frames, layers by their own reader, times by counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.manifest import load_items
from audiossl.embedding.engine import Engine
from audiossl.embedding.extractor import make_extractor
from audiossl.embedding.jobs import Embedded, jobs_of
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.row_times import row_times
from audiossl.encoders.layers import LayerReader
from audiossl.errors import UsageError
from audiossl.recipe.encoders import VggLikeConfig
from audiossl.recipe.frontends import LogMelConfig
from audiossl.recipe.schema import Recipe
from tests.embedding.conftest import RATE, chirp

POOLS = ["mean", "mean+std", "mean+max", "none"]


def pooled(frames: np.ndarray, pool: str) -> np.ndarray:
    """Rows (R, D) of frames (U, D), number by number."""
    if pool == "none":
        return frames
    count, dim = frames.shape
    means = [sum(float(frame[d]) for frame in frames) / count for d in range(dim)]
    spreads = [(sum((float(frame[d]) - means[d]) ** 2 for frame in frames) / count) ** 0.5 for d in range(dim)]
    largest = [max(float(frame[d]) for frame in frames) for d in range(dim)]
    return np.array([{"mean": means, "mean+std": means + spreads, "mean+max": means + largest}[pool]])


def run(bundle, folder, **options) -> tuple[Engine, list[Embedded]]:
    engine = Engine(bundle, EmbedOptions(workers=1, **options))
    results = sorted(engine.run(jobs_of(load_items(str(folder)))), key=lambda result: result.job.index)
    assert all(isinstance(result, Embedded) for result in results)
    return engine, results


@pytest.fixture(scope="module")
def vgg():
    return untrained_bundle(Recipe(name="tiny", encoder=VggLikeConfig()), Statistics(-7.0, 4.0), seed=2)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("encoder", ["audiontt", "vgg"])
def test_rows_are_the_frames_of_each_window_pooled_by_a_slow_loop(bundle, vgg, sounds, pool, encoder):
    model = bundle if encoder == "audiontt" else vgg
    engine, (long, short) = run(model, sounds(1.3, 0.5), pool=pool, window_s=0.5, hop_s=0.4)
    sound = chirp(1.3)
    for result, parts in (
        (long, [sound[round(0.4 * i * RATE) :][: RATE // 2] for i in range(3)]),
        (short, [chirp(0.5, 250)]),
    ):
        wanted = np.concatenate([pooled(model.embed_frames(part, RATE)[1], pool) for part in parts])
        assert result.embeddings.shape == wanted.shape == (len(result.start_s), engine.embedding_dim)
        assert np.allclose(result.embeddings, wanted, atol=1e-4 * np.abs(wanted).max())
        assert np.allclose(result.clip, wanted.mean(0), atol=1e-4 * np.abs(wanted).max())


def test_frames_tile_each_window_exactly(bundle, sounds):
    _, (result,) = run(bundle, sounds(1.3), pool="none", window_s=0.5, hop_s=0.4)
    count = len(bundle.embed_frames(chirp(0.5), RATE)[1])
    assert count > 3
    for window in range(3):
        for u in range(count):
            row = window * count + u
            assert result.start_s[row] == pytest.approx(0.4 * window + u * 0.5 / count, abs=1e-12)
            assert result.end_s[row] == pytest.approx(0.4 * window + (u + 1) * 0.5 / count, abs=1e-12)
        mine = slice(window * count, (window + 1) * count)
        assert np.array_equal(result.start_s[mine][1:], result.end_s[mine][:-1]), "no gap and no overlap"
        assert result.start_s[mine][0] == 0.4 * window and result.end_s[mine][-1] == 0.4 * window + 0.5


def test_times_of_a_part_are_the_files(bundle, sounds):
    folder = sounds(2.0)
    (folder / "parts.csv").write_text("path,start_s,end_s\na.wav,0.5,1.5\n")
    _, (result,) = run(bundle, folder / "parts.csv", pool="none")
    assert result.start_s[0] == 0.5 and result.end_s[-1] == 1.5
    assert np.allclose(np.diff(result.start_s), 1.0 / len(result.start_s))


def test_frames_of_the_repetitions_of_a_short_sound_are_no_rows(bundle, sounds):
    """0.3 s in a window of 1 s: the encoder hears it more than three times, the store holds it once."""
    _, (result,) = run(bundle, sounds(0.3), pool="none", window_s=1.0)
    repeated = np.resize(chirp(0.3), RATE)
    frames = bundle.embed_frames(repeated, RATE)[1]
    step = 1.0 / len(frames)
    kept = [u for u in range(len(frames)) if u * step < 0.3]
    assert 1 < len(kept) < len(frames) / 2
    assert np.allclose(result.embeddings, frames[kept], atol=1e-5)
    assert np.allclose(result.start_s, [u * step for u in kept])
    assert result.end_s[-1] == 0.3 and np.array_equal(result.start_s[1:], result.end_s[:-1])


@pytest.mark.parametrize("rows", [1, 7])
def test_windows_that_were_not_repeated_end_where_they_end(rows):
    """A window's seconds are no whole number of samples."""
    windows = np.array([[0.0, 0.30003], [0.1, 0.40003], [1e5, 1e5 + 0.30003]])
    start_s, end_s = row_times(windows, rows, round(0.30003 * RATE), RATE)
    assert start_s.shape == end_s.shape == (3, rows)
    assert np.array_equal(start_s[:, 0], windows[:, 0]) and np.array_equal(end_s[:, -1], windows[:, 1])
    assert np.allclose(end_s - start_s, 0.30003 / rows, atol=1e-9)


def test_a_layer_is_the_encoders_part_pooled(bundle, sounds):
    x_BCFT = bundle.spectrogram(torch.from_numpy(bundle.frontend.prepare(chirp(1.0)))[None])
    with torch.no_grad():
        frames = LayerReader(bundle.encoder, "block2")(x_BCFT)[0].numpy()
        fc = bundle.encoder.frames(x_BCFT)[0].numpy()
    folder = sounds(1.0)
    for pool in (None, *POOLS):
        engine, (result,) = run(bundle, folder, layer="block2", pool=pool)
        wanted = pooled(frames, pool or "mean")
        assert result.embeddings.shape == wanted.shape and engine.embedding_dim == wanted.shape[1]
        assert np.allclose(result.embeddings, wanted, atol=1e-5)
    assert np.allclose(run(bundle, folder, layer="fc", pool="none")[1][0].embeddings, fc, atol=1e-6)
    assert engine.embedding_dim == 64 * 16, "channels times bands"


def test_a_layer_without_time_is_a_row_as_it_is_and_cannot_be_pooled(vgg, sounds):
    _, (result,) = run(vgg, sounds(1.0), layer="dense1")
    wanted = vgg.embed(chirp(1.0), RATE)
    assert result.embeddings.shape == (1, 512) and (result.embeddings < 0).any()
    assert np.allclose(np.maximum(result.embeddings[0], 0), wanted, atol=1e-5)
    with pytest.raises(UsageError, match="layer dense1 has no time left to pool over; leave --pool mean out"):
        make_extractor(vgg, EmbedOptions(layer="dense1", pool="mean"))


def test_a_layer_that_is_not_there_is_answered_with_the_list(bundle):
    with pytest.raises(UsageError, match="no layer blok1; did you mean block1"):
        Engine(bundle, EmbedOptions(layer="blok1"))


def test_pool_and_layer_are_parameters_and_their_absence_is_none(bundle):
    def told(**options):
        return Engine(bundle, EmbedOptions(**options)).parameters()

    plain = told()
    assert "pool" not in plain and "layer" not in plain
    assert told(pool="none") == {**plain, "pool": "none"}
    assert told(layer="block1") == told(layer="block1", pool="mean") == {**plain, "layer": "block1", "pool": "mean"}


def test_a_sound_that_the_front_end_repeats_is_told_with_its_own_times(sounds):
    """The front end repeats to 1 s; the sound has 0.25 s."""
    recipe = Recipe(name="tiny", frontend=LogMelConfig(min_s=1.0))
    bundle = untrained_bundle(recipe, Statistics(-7.0, 4.0), seed=0)
    _, (result,) = run(bundle, sounds(0.25), pool="none")
    frames = bundle.embed_frames(chirp(0.25), RATE)[1]
    assert len(result.embeddings) == -(-len(frames) // 4)
    assert np.allclose(result.embeddings, frames[: len(result.embeddings)], atol=1e-5)
    assert result.start_s[0] == 0.0 and result.end_s[-1] == 0.25

"""Embeddings along a sound: each timestamp's is that of the window around it, cut out and embedded alone."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf
import torch

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Item, Items
from audiossl.data.manifest import load_items
from audiossl.embedding import frames
from audiossl.embedding.frames import embed_timestamps, frame_features, grid_of
from audiossl.embedding.options import EmbedOptions, FrameOptions
from audiossl.errors import DataError
from audiossl.recipe.data import DataConfig
from audiossl.recipe.encoders import CrnnConfig, ResNet18Config, VggLikeConfig, WaveformCnnConfig
from audiossl.recipe.frontends import FonsecaConfig, WaveformConfig
from audiossl.recipe.schema import Recipe
from tests.embedding.conftest import RATE, chirp

STATISTICS = Statistics(mean=-7.0, std=4.0)
RECIPES = {
    "log-mel": None,
    "peak normalised, 22,050 Hz": Recipe(frontend=FonsecaConfig(), encoder=VggLikeConfig()),
    "recurrent": Recipe(encoder=CrnnConfig()),
    "32 frames per stride": Recipe(encoder=ResNet18Config(), data=DataConfig(crop_s=0.5)),
    "raw waveform": Recipe(frontend=WaveformConfig(), encoder=WaveformCnnConfig(dim=16), data=DataConfig(crop_s=0.25)),
}


def one_by_one(bundle: Bundle, prepared: np.ndarray, times_s: np.ndarray, length: int) -> np.ndarray:
    """The slow oracle: silence on both sides, one window of samples, one spectrogram, one embedding at a time."""
    hop, frontend = bundle.recipe.frontend.hop, bundle.frontend
    margin = 2 * bundle.sample_rate
    padded = np.pad(prepared, margin)
    rows = []
    for time_s in times_s:
        first = margin + round(time_s * bundle.sample_rate) - length // 2 * hop - frontend.context
        window = torch.from_numpy(padded[first : first + frontend.samples_for(length)])[None]
        with torch.no_grad():
            rows.append(bundle.encoder(bundle.normalise(frontend(window, centre=False)))[0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_row_is_the_window_around_its_timestamp_embedded_alone(bundle, recipe):
    if RECIPES[recipe] is not None:
        bundle = untrained_bundle(RECIPES[recipe], STATISTICS, seed=0)
    grid = grid_of(bundle, FrameOptions(hop_s=0.21))
    sound = chirp(1.3, rate=bundle.sample_rate)
    prepared, times_s = bundle.frontend.prepare(sound), grid.times_s(len(sound))
    found = embed_timestamps(bundle, torch.from_numpy(prepared)[None], len(times_s), grid)[0].numpy()
    wanted = one_by_one(bundle, prepared, times_s, grid.length)
    assert found.shape == (len(times_s), bundle.embedding_dim) and len(times_s) >= 6
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_pieces_and_batches_change_nothing(bundle, monkeypatch):
    grid = grid_of(bundle, FrameOptions(hop_s=0.1, window_s=0.3))
    x_BS = torch.from_numpy(np.stack([chirp(2.0, hz) for hz in (200, 300, 500)]))
    at_once = embed_timestamps(bundle, x_BS, grid.count(x_BS.shape[1]), grid)
    monkeypatch.setattr(frames, "_SPAN_S", 0.7)
    monkeypatch.setattr(frames, "_CPU_BATCH_S", 0.6)
    in_pieces = embed_timestamps(bundle, x_BS, grid.count(x_BS.shape[1]), grid)
    assert torch.allclose(at_once, in_pieces, atol=1e-6 * float(at_once.abs().max()))
    for row, sound in zip(at_once, x_BS, strict=True):
        alone = embed_timestamps(bundle, sound[None], grid.count(len(sound)), grid)[0]
        assert torch.allclose(row, alone, atol=1e-6 * float(row.abs().max()))


def test_memory_is_bounded_whatever_the_length(bundle, monkeypatch):
    grid = grid_of(bundle, FrameOptions(hop_s=0.5))
    sizes, encoder = [], bundle.encoder.forward
    monkeypatch.setattr(bundle.encoder, "forward", lambda x: sizes.append(x.numel()) or encoder(x))
    embed_timestamps(bundle, torch.zeros(1, 20 * RATE), 40, grid)
    embed_timestamps(bundle, torch.zeros(20, RATE), 2, grid)
    assert max(sizes) <= frames._CPU_BATCH_S * 100 * 64


@pytest.mark.parametrize("samples", [1, 100, 800, 801, 16_000, 33_333])
@pytest.mark.parametrize("recipe", [Recipe(), Recipe(frontend=FonsecaConfig())], ids=["16000", "22050"])
def test_timestamps_are_regular_start_at_zero_and_stay_inside(recipe, samples):
    grid = grid_of(untrained_bundle(recipe, STATISTICS, 0), FrameOptions())
    times_s = grid.times_s(samples)
    assert times_s[0] == 0 and times_s[-1] < samples / recipe.frontend.sample_rate <= times_s[-1] + grid.hop_s
    assert np.allclose(np.diff(times_s), grid.hop_s, atol=1e-12) and grid.hop_s == pytest.approx(0.05, rel=0.005)


def test_the_window_is_a_training_crop_of_at_most_a_second():
    def length(crop_s: float, **options) -> int:
        recipe = Recipe(data=DataConfig(crop_s=crop_s))
        return grid_of(untrained_bundle(recipe, STATISTICS, 0), FrameOptions(**options)).length

    assert length(0.96) == 96
    assert length(5.0) == 100
    assert length(5.0, max_window_s=2.0) == 200
    assert length(5.0, window_s=3.0) == 300


def test_features_of_items_are_in_their_order_and_count_from_the_items_start(bundle, sounds):
    folder = sounds(1.0, 0.4, 2.5)
    items = Items.from_rows([Item("c", "c.wav"), Item("part", "c.wav", 1.0, 2.0), Item("b", "b.wav")], folder)
    found = frame_features(bundle, items, 0.1, options=EmbedOptions(workers=3))
    assert [len(times_s) for times_s, _ in found] == [25, 10, 4]
    assert np.allclose(found[1].times_s, np.arange(10) * 0.1)
    grid = grid_of(bundle, FrameOptions(hop_s=0.1))
    whole, _ = sf.read(folder / "c.wav", dtype="float32")
    for features, sound in ((found[0], whole), (found[1], whole[RATE : 2 * RATE])):
        wanted = one_by_one(bundle, sound, features.times_s, grid.length)
        assert features.values.dtype == np.float32
        assert np.abs(features.values - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_files_that_cannot_be_read_are_named(bundle, sounds):
    folder = sounds(0.3)
    (folder / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"bad\.wav: is not a sound file"):
        frame_features(bundle, load_items(str(folder)), 0.1)


def test_progress_hears_of_every_item_and_is_closed(bundle, sounds):
    heard = []

    class Listener:
        def start(self, title, total, unit, *, done=0):
            heard.append((total, unit))

        def advance(self, n=1, **facts):
            heard.append(n)

        def close(self):
            heard.append("closed")

    frame_features(bundle, load_items(str(sounds(0.3, 0.3))), 0.1, progress=Listener())
    assert heard == [(2, "clips"), 1, 1, "closed"]

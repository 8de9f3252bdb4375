"""Raw waveforms from crop to bundle: as a second format beside the spectrogram, and as a front end of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from audiossl.api import embed
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.load import load_bundle
from audiossl.data.batches import Batch, CropBatches, Plan
from audiossl.embedding.store import open_store
from audiossl.progress import Silent
from audiossl.recipe.schema import Recipe
from audiossl.training.learner import Learner
from audiossl.training.prepare import make_learner, prepare
from audiossl.training.pretrain import pretrain
from tests.training.conftest import RATE, tiny_recipe

NORMALISE = {"spectrogram": [{"name": "normalise"}]}
BLURRED = {"spectrogram": [{"name": "normalise"}, {"name": "blur", "p": 1.0}]}
FORMATS = {"name": "multi_format", "head": "16 bn relu 8", "partner": {"name": "waveform_cnn", "dim": 12}}
CPC = {
    "frontend": {"name": "waveform", "sample_rate": RATE},
    "views": NORMALISE,
    "encoder": {"name": "causal_waveform", "channels": [8, 16], "kernels": [10, 8], "strides": [5, 4], "context": 12},
    "method": {"name": "cpc", "steps": 4},
}


def with_sections(sounds: Path, **sections: Any) -> Recipe:
    """The tiny recipe with whole sections replaced."""
    return Recipe.model_validate({**tiny_recipe(sounds).model_dump(mode="json"), **sections})


def first_batch(recipe: Recipe) -> tuple[Learner, Batch, Plan]:
    prepared = prepare(recipe, Silent())
    learner = make_learner(prepared, Statistics(mean=-5.0, std=2.0))
    return learner, CropBatches(prepared.source, prepared.plan)[0], prepared.plan


def spectrograms(learner: Learner, wave: Tensor) -> Tensor:
    return (learner.frontend(wave, centre=False) + 5.0) / 2.0


def test_a_waveform_stands_in_the_row_of_its_clips_spectrogram(sounds):
    learner, batch, plan = first_batch(with_sections(sounds, views=NORMALISE, method=FORMATS))
    spectrogram, waveform = learner.make_views(batch)
    n = len(batch.index)
    assert batch.wave.shape == (2 * n, plan.crop_samples)
    assert waveform.shape == (n, 1, 1, plan.crop_samples)
    assert spectrogram.shape == (n, 1, 16, 10)
    assert torch.equal(waveform[:, 0, 0], batch.wave[n:])
    assert torch.allclose(spectrogram, spectrograms(learner, batch.wave[:n]), atol=1e-5)


def test_the_two_formats_are_of_the_same_clip(sounds):
    """With one crop for all views, the waveform's own spectrogram is the one beside it."""
    recipe = with_sections(sounds, views=NORMALISE, method=FORMATS)
    same = recipe.model_copy(update={"data": recipe.data.model_copy(update={"crops": "same"})})
    learner, batch, _ = first_batch(same)
    spectrogram, waveform = learner.make_views(batch)
    assert torch.allclose(spectrograms(learner, waveform[:, 0, 0]), spectrogram, atol=1e-4)


def test_waveforms_go_through_the_waveform_chain_and_not_through_the_other(sounds):
    views = {"waveform": [{"name": "gain", "gain_db": [6.0, 6.0]}], **BLURRED}
    learner, batch, _ = first_batch(with_sections(sounds, views=views, method=FORMATS))
    spectrogram, waveform = learner.make_views(batch)
    n = len(batch.index)
    assert torch.allclose(waveform[:, 0, 0], batch.wave[n:] * 10 ** (6 / 20), rtol=1e-4)
    assert not torch.allclose(spectrogram, spectrograms(learner, batch.wave[:n] * 10 ** (6 / 20)), atol=1e-2)


def test_the_bundle_of_two_formats_holds_the_spectrograms_encoder(sounds, tmp_path):
    result = pretrain(with_sections(sounds, method=FORMATS), tmp_path / "run")
    bundle = load_bundle(result.bundle)
    assert (bundle.recipe.encoder.name, bundle.embedding_dim) == ("audiontt2020", 16)


@pytest.fixture
def waveform_bundle(sounds, tmp_path):
    return load_bundle(pretrain(with_sections(sounds, **CPC), tmp_path / "run").bundle)


def test_crops_of_a_waveform_are_exactly_as_long_as_asked_and_start_anywhere(sounds):
    learner, batch, plan = first_batch(with_sections(sounds, **CPC))
    assert (plan.crop_samples, plan.hop, plan.views) == (RATE // 10, 1, 1)
    (view,) = learner.make_views(batch)
    assert torch.allclose(view[:, 0, 0], (batch.wave + 5.0) / 2.0)
    starts = {plan.starts(step, 3, RATE // 2)[0] % 40 for step in range(50)}
    assert len(starts) > 15


def test_a_waveform_bundle_embeds_samples_as_its_encoder_does(waveform_bundle):
    sound = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    statistics = waveform_bundle.statistics
    x = (torch.from_numpy(sound)[None, None, None] - statistics.mean) / statistics.std
    assert statistics.std == pytest.approx(0.3 * (0.5 + 0.09) ** 0.5, rel=0.1)
    with torch.inference_mode():
        expected = waveform_bundle.encoder(x)[0].numpy()
    assert np.allclose(waveform_bundle.embed(sound, RATE), expected, atol=1e-6)
    times, frames = waveform_bundle.embed_frames(sound, RATE)
    assert frames.shape == (RATE // 20, 12)
    assert times[0] == pytest.approx(10 / RATE)
    assert np.allclose(frames.mean(axis=0), expected, atol=1e-5)


def test_a_long_file_is_embedded_in_windows_each_as_a_file_of_its_own(waveform_bundle, tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal(35 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", sound, RATE, subtype="FLOAT")
    embed(waveform_bundle, tmp_path / "long.wav", out=tmp_path / "out")
    starts, rows = waveform_bundle.embed_windows(sound, RATE)
    assert starts.tolist() == [0, 10, 20]
    third = waveform_bundle.embed(sound[20 * RATE : 30 * RATE], RATE)
    assert np.allclose(rows[2], third, atol=1e-6)
    assert np.allclose(open_store(tmp_path / "out").embeddings("windows"), rows, atol=1e-5)

"""The checks of HEAR's validator, and what its words promise beyond them: no batch mates, no gradients, any length."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from audiossl import hear
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.embedding.frames import grid_of
from audiossl.embedding.options import FrameOptions
from audiossl.errors import CheckpointError, UsageError
from audiossl.recipe.data import DataConfig
from audiossl.recipe.encoders import AudioNtt2020Config, ResNet18Config, WaveformCnnConfig
from audiossl.recipe.frontends import FonsecaConfig, LogMelConfig, WaveformConfig
from audiossl.recipe.image_encoders import ImageResNet18Config
from audiossl.recipe.schema import EmbeddingConfig, ImageRecipe, Recipe

RECIPES = {
    "log-mel": Recipe(encoder=AudioNtt2020Config(dim=24)),
    "fonseca2021": Recipe(
        frontend=FonsecaConfig(),
        encoder=ResNet18Config(),
        embedding=EmbeddingConfig(window_s=1.0, hop_s=0.5),
        data=DataConfig(crop_s=0.2),
    ),
    "32 kHz": Recipe(
        frontend=LogMelConfig(sample_rate=32_000, n_fft=2048, hop=512), encoder=AudioNtt2020Config(dim=16)
    ),
    "raw waveform": Recipe(frontend=WaveformConfig(), encoder=WaveformCnnConfig(dim=8)),
}


@pytest.fixture(scope="module", params=RECIPES)
def path(request, tmp_path_factory) -> Path:
    recipe, path = RECIPES[request.param], tmp_path_factory.mktemp("hear") / "encoder.safetensors"
    made = untrained_bundle(recipe, Statistics(mean=-7.0, std=4.0), seed=0)
    save_bundle(path, encoder=made.encoder, recipe=recipe, statistics=made.statistics)
    return path


@pytest.fixture(scope="module")
def model(path) -> hear.HearModel:
    return hear.load_model(str(path))


def noise(sounds: int, seconds: float, model: hear.HearModel) -> torch.Tensor:
    size = (sounds, int(seconds * model.sample_rate))
    return torch.rand(size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return bool((found - wanted).abs().max() <= 1e-5 * wanted.abs().max())


def test_the_model_is_a_torch_module_that_says_rate_and_sizes(model):
    assert isinstance(model, torch.nn.Module)
    assert model.sample_rate in (16_000, 22_050, 32_000, 44_100, 48_000)
    for size in (model.scene_embedding_size, model.timestamp_embedding_size):
        assert type(size) is int and size > 0


@pytest.mark.parametrize(("sounds", "seconds"), [(2, 1.07), (2, 1.98), (1, 4.0), (3, 0.2)])
def test_timestamp_embeddings_have_the_shapes_and_times_that_hear_asks_for(model, sounds, seconds):
    audio = noise(sounds, seconds, model)
    embeddings, timestamps = hear.get_timestamp_embeddings(audio, model)
    assert embeddings.dtype == timestamps.dtype == torch.float32
    assert embeddings.ndim == 3 and timestamps.ndim == 2
    assert embeddings.shape[:2] == timestamps.shape and len(embeddings) == sounds
    assert embeddings.shape[2] == model.timestamp_embedding_size
    hops = timestamps.diff()
    assert (hops > 0).all() and hops.mean() <= 50
    assert (hops - hops.mean()).abs().max() < 1e-3  # the validator's bound, in milliseconds
    duration_ms = 1000 * audio.shape[1] / model.sample_rate
    assert (timestamps[:, 0] >= 0).all() and (timestamps[:, 0] <= hops.mean()).all()
    assert (timestamps[:, -1] <= duration_ms).all() and (timestamps[:, -1] >= duration_ms - hops.mean()).all()
    assert embeddings.isfinite().all()


@pytest.mark.parametrize(("sounds", "seconds"), [(4, 2.74), (1, 0.05), (2, 1.0)])
def test_scene_embeddings_have_the_shapes_that_hear_asks_for(model, sounds, seconds):
    embeddings = hear.get_scene_embeddings(noise(sounds, seconds, model), model)
    assert embeddings.dtype == torch.float32
    assert embeddings.shape == (sounds, model.scene_embedding_size)
    assert embeddings.isfinite().all()


def test_a_scene_is_what_the_bundle_embeds(model):
    audio = noise(3, 2.3, model)
    wanted = np.stack([model.bundle.embed(sound, model.sample_rate) for sound in audio])
    assert close(hear.get_scene_embeddings(audio, model), torch.from_numpy(wanted))


def test_no_result_depends_on_the_batch_mates(model):
    audio = noise(4, 1.3, model)
    audio[1] *= 0.01
    audio[2] = 0
    scenes, (embeddings, times_ms) = (
        hear.get_scene_embeddings(audio, model),
        hear.get_timestamp_embeddings(audio, model),
    )
    for index, sound in enumerate(audio):
        alone, alone_ms = hear.get_timestamp_embeddings(sound[None], model)
        assert close(alone[0], embeddings[index]) and torch.equal(alone_ms[0], times_ms[index])
        assert close(hear.get_scene_embeddings(sound[None], model)[0], scenes[index])


def test_silence_noise_and_a_single_sample_give_finite_embeddings(model):
    for audio in (torch.zeros(2, model.sample_rate), noise(2, 1.0, model), torch.ones(1, 1)):
        assert hear.get_scene_embeddings(audio, model).isfinite().all()
        assert hear.get_timestamp_embeddings(audio, model)[0].isfinite().all()


def test_no_sounds_give_no_embeddings(model):
    audio = torch.zeros(0, model.sample_rate)
    assert hear.get_scene_embeddings(audio, model).shape == (0, model.scene_embedding_size)
    embeddings, times_ms = hear.get_timestamp_embeddings(audio, model)
    assert embeddings.shape == (*times_ms.shape, model.timestamp_embedding_size) and len(times_ms) == 0


def test_no_gradient_is_kept_and_a_probe_can_be_trained_on_the_embeddings(model):
    audio = noise(2, 0.5, model).requires_grad_()
    scenes, (embeddings, _) = hear.get_scene_embeddings(audio, model), hear.get_timestamp_embeddings(audio, model)
    assert not any(weight.requires_grad for weight in model.parameters())
    for found in (scenes, embeddings):
        assert not found.requires_grad and not found.is_inference()
        probe = torch.nn.Linear(found.shape[-1], 1)
        probe(found).sum().backward()
        assert probe.weight.grad is not None


def test_training_mode_changes_nothing(model):
    audio = noise(2, 0.5, model)
    before = hear.get_scene_embeddings(audio, model)
    torch.nn.ModuleList([model]).train()
    assert torch.equal(hear.get_scene_embeddings(audio, model), before)


def test_the_embedding_at_a_timestamp_hears_what_is_there():
    model = hear.HearModel(untrained_bundle(RECIPES["log-mel"], Statistics(-7.0, 4.0), seed=0))
    audio = torch.zeros(1, 6 * model.sample_rate)
    audio[:, 3 * model.sample_rate :][:, :160] = 0.5  # a click at 3 s
    embeddings, times_ms = hear.get_timestamp_embeddings(audio, model)
    silent = embeddings[0, int((times_ms[0] - 1500).abs().argmin())]
    touched_ms = times_ms[0][(embeddings[0] - silent).abs().amax(dim=1) > 1e-3]
    inside_ms = touched_ms[(touched_ms > 1000) & (touched_ms < 5000)]  # the ends hear the silence beyond them
    assert abs(float(inside_ms.mean()) - 3000) <= 50
    assert float(inside_ms.max() - inside_ms.min()) <= 1100


def test_the_hop_can_be_chosen(path):
    model = hear.load_model(str(path), hop_s=0.1, window_s=0.5)
    hops_ms = hear.get_timestamp_embeddings(noise(1, 1.0, model), model)[1].diff()
    assert ((hops_ms > 90) & (hops_ms <= 100)).all()


def test_results_are_on_the_models_device(path, monkeypatch):
    # Tensors on "meta" have a device and a shape but no values, and refuse to meet tensors of another device. Autocast,
    # which is off here anyway, is the one thing that does not know it.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    model = hear.load_model(str(path)).to("meta")
    audio = noise(2, 1.5, model)
    embeddings, times_ms = hear.get_timestamp_embeddings(audio, model)
    scenes = hear.get_scene_embeddings(audio, model)
    assert {embeddings.device.type, times_ms.device.type, scenes.device.type} == {"meta"}
    assert embeddings.shape == (*times_ms.shape, scenes.shape[1])


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        (np.zeros((1, 100), np.float32), "audio is ndarray"),
        (torch.zeros(100), r"torch\.float32 \(100,\)"),
        (torch.zeros(1, 100, dtype=torch.int16), r"torch\.int16"),
        (torch.zeros(2, 0), "no samples"),
        (torch.tensor([[0.0, 1.0], [0.0, float("nan")]]), "sample 1 of sound 1 is not finite"),
    ],
)
def test_audio_that_cannot_be_is_refused_in_a_sentence(model, audio, told):
    for embed in (hear.get_scene_embeddings, hear.get_timestamp_embeddings):
        with pytest.raises(UsageError, match=told):
            embed(audio, model)


def test_a_model_that_cannot_be_is_refused_in_a_sentence(tmp_path, path):
    with pytest.raises(UsageError, match="give the path of an encoder bundle"):
        hear.load_model()
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:3000])
    for name in ("cut.safetensors", "none.safetensors"):
        with pytest.raises(CheckpointError, match=name):
            hear.load_model(str(tmp_path / name))
    with pytest.raises(UsageError, match="hop_s: must be more than 0"):
        hear.load_model(str(path), hop_s=0)
    with pytest.raises(UsageError, match="hopp"):
        hear.load_model(str(path), hopp=0)
    narrow = Recipe(frontend=LogMelConfig(sample_rate=8000, f_max=3800), encoder=ResNet18Config())
    with pytest.raises(UsageError, match=r"8,000 Hz; HEAR has sounds of 16,000, 22,050"):
        hear.HearModel(untrained_bundle(narrow, Statistics(-7.0, 4.0), seed=0))


def test_an_encoder_of_pictures_is_refused_in_a_sentence(tmp_path):
    recipe = ImageRecipe(encoder=ImageResNet18Config(width=8))
    made = untrained_bundle(recipe, Statistics((0.5,) * 3, (0.5,) * 3), seed=0)
    path = tmp_path / "encoder.safetensors"
    save_bundle(path, encoder=made.encoder, recipe=recipe, statistics=made.statistics)
    with pytest.raises(UsageError, match="takes pictures, which have no time"):
        hear.load_model(str(path))
    with pytest.raises(UsageError, match="takes pictures, which have no time"):
        grid_of(made, FrameOptions())


def test_the_package_alone_imports_no_torch():
    told = "import audiossl, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""Promises that every encoder keeps."""

from __future__ import annotations

import pytest
import torch

from audiossl.encoders.build import build_encoder, build_seeded
from audiossl.encoders.shapes import pad_frames
from audiossl.errors import RecipeError
from audiossl.recipe.encoders import (
    AudioNtt2020Config,
    AudioNtt2022Config,
    CausalConfig,
    CrnnConfig,
    ResNet18Config,
    TimmConfig,
    VggLikeConfig,
)

CONFIGS = [
    ResNet18Config(),
    VggLikeConfig(),
    CrnnConfig(),
    AudioNtt2020Config(dim=64),
    AudioNtt2022Config(dim=1100, hidden=32),
    CausalConfig(channels=[16, 16], context=12),
    TimmConfig(model="test_resnet"),
    TimmConfig(model="test_vit"),
]
every_encoder = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: getattr(config, "model", config.name))


def spectrogram(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@every_encoder
def test_the_embedding_is_the_pooled_frames(config):
    encoder = build_seeded(config, 64, seed=0).eval()
    x_BCFT = spectrogram(2, 1, 64, 75)
    frames = encoder.frames(x_BCFT)
    assert frames.shape[::2] == (2, encoder.frame_dim)
    assert frames.shape[1] > 1
    embedding = encoder(x_BCFT)
    assert embedding.shape == (2, encoder.embedding_dim)
    assert torch.equal(encoder.pool(frames), embedding)


@every_encoder
def test_every_length_passes(config):
    encoder = build_seeded(config, 64, seed=0).eval()
    for frames in (1, 2, 7, 8, 33):
        out = encoder(spectrogram(2, 1, 64, frames))
        assert out.shape == (2, encoder.embedding_dim)
        assert out.isfinite().all()


@every_encoder
def test_examples_of_a_batch_do_not_touch_each_other(config):
    encoder = build_seeded(config, 64, seed=0).eval()
    x_BCFT = spectrogram(3, 1, 64, 40)
    one_by_one = torch.cat([encoder(x[None]) for x in x_BCFT])
    assert torch.allclose(encoder(x_BCFT), one_by_one, atol=1e-5)


@every_encoder
def test_channels_last_gives_the_same(config):
    encoder = build_seeded(config, 64, seed=0).eval()
    x_BCFT = spectrogram(2, 1, 64, 40)
    plain = encoder(x_BCFT)
    encoder = encoder.to(memory_format=torch.channels_last)
    assert torch.allclose(encoder(x_BCFT.to(memory_format=torch.channels_last)), plain, atol=1e-5)


@every_encoder
def test_bf16_autocast_trains(config):
    encoder = build_seeded(config, 64, seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = encoder(spectrogram(2, 1, 64, 40)).float().square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@every_encoder
def test_weights_depend_on_the_seed_alone(config):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (build_seeded(config, 64, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@every_encoder
def test_too_few_bands_are_refused(config):
    least = 40 if config.name == "crnn" else 16
    with pytest.raises(RecipeError, match=f"{config.name} needs at least {least} mel bands, not {least - 1}"):
        build_encoder(config, least - 1)


@pytest.mark.parametrize("config", CONFIGS[:6], ids=lambda config: config.name)
@pytest.mark.parametrize("n_mels", [40, 41, 96, 128])
def test_every_number_of_bands_passes(config, n_mels):
    if isinstance(config, AudioNtt2022Config):
        config = config.model_copy(update={"dim": 3072})
    encoder = build_seeded(config, n_mels, seed=0).eval()
    assert encoder(spectrogram(1, 1, n_mels, 20)).isfinite().all()


def test_missing_frames_take_each_examples_smallest_value():
    x_BCFT = spectrogram(2, 1, 4, 3)
    padded = pad_frames(x_BCFT, 5)
    assert torch.allclose(padded[..., :3], x_BCFT, atol=1e-6)
    for example, original in zip(padded, x_BCFT, strict=True):
        assert torch.allclose(example[..., 3:], original.min().expand(1, 4, 2), atol=1e-6)
    assert pad_frames(x_BCFT, 3) is x_BCFT

"""Promises that every encoder keeps."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from audiossl.encoders.base import Encoder
from audiossl.encoders.build import build_encoder, build_seeded
from audiossl.encoders.shapes import pad_frames
from audiossl.errors import RecipeError
from audiossl.recipe.base import Config
from audiossl.recipe.encoders import (
    AudioNtt2020Config,
    AudioNtt2022Config,
    CausalConfig,
    CrnnConfig,
    ResNet18Config,
    TimmConfig,
    VggLikeConfig,
)
from audiossl.recipe.image_encoders import ImageResNet18Config, PatchesConfig


class Case(NamedTuple):
    """An encoder of spectrograms of 64 bands, or of pictures of 32 pixels a side."""

    config: Config
    channels: int = 1

    @property
    def name(self) -> str:
        return f"{getattr(self.config, 'model', self.config.name)}{'-pictures' * (self.channels > 1)}"

    @property
    def bands(self) -> int:
        return 64 if self.channels == 1 else 32

    def built(self, seed: int = 0) -> Encoder:
        return build_seeded(self.config, self.bands, seed, self.channels)

    def batch(self, size: int, frames: int = 40) -> torch.Tensor:
        return spectrogram(size, self.channels, self.bands, frames)


SOUND = [
    Case(ResNet18Config()),
    Case(VggLikeConfig()),
    Case(CrnnConfig()),
    Case(AudioNtt2020Config(dim=64)),
    Case(AudioNtt2022Config(dim=1100, hidden=32)),
    Case(CausalConfig(channels=[16, 16], context=12)),
    Case(TimmConfig(model="test_resnet")),
    Case(TimmConfig(model="test_vit")),
]
PICTURES = [
    Case(ImageResNet18Config(width=8), 3),
    Case(ImageResNet18Config(width=8, stem="7x7"), 3),
    Case(PatchesConfig(channels=[8, 12]), 3),
    Case(TimmConfig(model="test_resnet"), 3),
    Case(TimmConfig(model="test_vit"), 3),
]
every_encoder = pytest.mark.parametrize("case", SOUND + PICTURES, ids=lambda case: case.name)
every_encoder_of_pictures = pytest.mark.parametrize("case", PICTURES, ids=lambda case: case.name)


def spectrogram(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@every_encoder
def test_the_embedding_is_the_pooled_frames(case):
    encoder, x_BCFT = case.built().eval(), case.batch(2, 75)
    frames = encoder.frames(x_BCFT)
    assert frames.shape[::2] == (2, encoder.frame_dim)
    assert frames.shape[1] > 1 or case.channels > 1
    embedding = encoder(x_BCFT)
    assert embedding.shape == (2, encoder.embedding_dim)
    assert torch.equal(encoder.pool(frames), embedding)


@every_encoder
def test_every_length_passes(case):
    encoder = case.built().eval()
    for frames in (1, 2, 7, 8, 33):
        out = encoder(case.batch(2, frames))
        assert out.shape == (2, encoder.embedding_dim)
        assert out.isfinite().all()


@every_encoder_of_pictures
def test_every_size_passes_an_encoder_that_says_it_takes_any(case):
    encoder = case.built().eval()
    assert encoder.any_bands
    for side in (8, 10, 16, 31, 48):
        out = encoder(spectrogram(2, 3, side, side))
        assert out.shape == (2, encoder.embedding_dim)
        assert out.isfinite().all()


@torch.no_grad()
@every_encoder_of_pictures
def test_frames_of_a_picture_are_its_rows_from_top_to_bottom(case):
    encoder, x = build_seeded(case.config, 64, 0, 3).eval(), spectrogram(1, 3, 256, 64)
    base = encoder.frames(x)
    assert encoder.frames(x[..., :32]).shape[1] == base.shape[1] > encoder.frames(x[:, :, :64]).shape[1]
    top, bottom = x.clone(), x.clone()
    top[:, :, :32] = bottom[:, :, -32:] = 0
    by_top, by_bottom = ((encoder.frames(changed) - base).norm(dim=2)[0] for changed in (top, bottom))
    assert by_top[0] > by_top[-1]
    assert by_bottom[0] < by_bottom[-1]


@every_encoder
def test_examples_of_a_batch_do_not_touch_each_other(case):
    encoder, x_BCFT = case.built().eval(), case.batch(3)
    one_by_one = torch.cat([encoder(x[None]) for x in x_BCFT])
    assert torch.allclose(encoder(x_BCFT), one_by_one, atol=1e-5)


@every_encoder
def test_channels_last_gives_the_same(case):
    encoder, x_BCFT = case.built().eval(), case.batch(2)
    plain = encoder(x_BCFT)
    encoder = encoder.to(memory_format=torch.channels_last)
    assert torch.allclose(encoder(x_BCFT.to(memory_format=torch.channels_last)), plain, atol=1e-5)


@every_encoder
def test_bf16_autocast_trains(case):
    encoder = case.built()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = encoder(case.batch(2)).float().square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@every_encoder
def test_weights_depend_on_the_seed_alone(case):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (case.built(seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_too_few_bands_are_refused(case):
    name, least = case.config.name, 40 if case.config.name == "crnn" else 16
    with pytest.raises(RecipeError, match=f"{name} needs at least {least} mel bands, not {least - 1}"):
        build_encoder(case.config, least - 1)


@pytest.mark.parametrize("case", SOUND[:6], ids=lambda case: case.name)
@pytest.mark.parametrize("n_mels", [40, 41, 96, 128])
def test_every_number_of_bands_passes(case, n_mels):
    config = case.config
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

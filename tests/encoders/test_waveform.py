"""Encoders of raw waveforms (B, 1, 1, S) keep the promises of the others."""

from __future__ import annotations

import pytest
import torch

from audiossl.encoders.build import build_seeded
from audiossl.recipe.encoders import CausalWaveformConfig, WaveformCnnConfig

CONFIGS = [WaveformCnnConfig(dim=48), CausalWaveformConfig(channels=[8, 8, 16, 16, 32], context=20)]
every_encoder = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@every_encoder
def test_160_samples_make_a_frame_and_the_embedding_is_the_pooled_frames(config):
    encoder = build_seeded(config, 1, seed=0).eval()
    for samples in (1, 159, 160, 1599, 1600):
        x = noise(3, 1, 1, samples)
        frames = encoder.frames(x)
        assert frames.shape == (3, max(1, samples // 160), encoder.frame_dim)
        embedding = encoder(x)
        assert embedding.shape == (3, encoder.embedding_dim)
        assert torch.equal(encoder.pool(frames), embedding)
        assert embedding.isfinite().all()


@every_encoder
def test_the_bands_of_the_log_mel_beside_it_do_not_matter(config):
    first, second = (build_seeded(config, bands, seed=0).state_dict() for bands in (1, 64))
    assert all(torch.equal(first[name], second[name]) for name in first)


@every_encoder
def test_examples_of_a_batch_do_not_touch_each_other(config):
    encoder, x = build_seeded(config, 1, seed=0).eval(), noise(3, 1, 1, 2000)
    one_by_one = torch.cat([encoder(row[None]) for row in x])
    assert torch.allclose(encoder(x), one_by_one, atol=1e-5)


@every_encoder
def test_bf16_autocast_trains(config):
    encoder = build_seeded(config, 1, seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = encoder(noise(2, 1, 1, 2000)).float().square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())

"""The encoder of CPC sees the past only, frame by frame to the column, and each example by itself."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.encoders.build import build_seeded
from audiossl.encoders.causal import Causal
from audiossl.recipe.encoders import CausalConfig, CausalWaveformConfig

LOGMEL = CausalConfig(channels=[24, 32], context=20)
WAVEFORM = CausalWaveformConfig(channels=[8, 8, 16, 16, 32], context=20)
INPUTS = {"logmel": (LOGMEL, (2, 1, 64, 41), 4), "waveform": (WAVEFORM, (2, 1, 1, 2087), 160)}
both_inputs = pytest.mark.parametrize(("config", "shape", "stride"), INPUTS.values(), ids=INPUTS)
both_modes = pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def built(config: CausalConfig, training: bool = False) -> Causal:
    encoder = build_seeded(config, 64, seed=0).train(training)
    assert isinstance(encoder, Causal)
    return encoder.to(memory_format=torch.channels_last)


@both_inputs
@both_modes
def test_what_comes_after_a_frame_never_changes_it_and_its_own_last_column_does(config, shape, stride, training):
    encoder, x = built(config, training), noise(*shape)
    base = encoder.frames(x)
    assert base.shape == (2, shape[-1] // stride, 20)
    for frame in (0, 1, 5, base.shape[1] - 1):
        end = (frame + 1) * stride
        later, last = x.clone(), x.clone()
        later[..., end:] = 100 * noise(*later[..., end:].shape)
        assert torch.equal(encoder.frames(later)[:, : frame + 1], base[:, : frame + 1])
        last[..., end - 1] += 1
        changed = (encoder.frames(last) != base).any(dim=(0, 2))
        assert not changed[:frame].any()
        assert changed[frame:].all()


@both_inputs
def test_the_past_is_remembered_beyond_the_convolutions(config, shape, stride):
    encoder, x = built(config), noise(*shape)
    changed = x.clone()
    changed[..., 0] += 10
    latents_moved = (encoder.latents(changed) != encoder.latents(x)).any(dim=(0, 2))
    assert not latents_moved[-1]
    assert (encoder.frames(changed) != encoder.frames(x)).any(dim=(0, 2)).all()


@both_inputs
def test_frames_are_the_context_of_the_latents_and_the_embedding_is_their_mean(config, shape, stride):
    encoder, x = built(config), noise(*shape)
    latents = encoder.latents(x)
    assert latents.shape == (2, shape[-1] // stride, encoder.latent_dim)
    assert encoder.stride == stride
    frames = encoder.frames(x)
    assert torch.equal(encoder.context(latents), frames)
    assert torch.allclose(encoder(x), frames.mean(dim=1), atol=1e-7)


@both_inputs
def test_the_state_of_the_gru_never_passes_from_clip_to_clip_or_from_batch_to_batch(config, shape, stride):
    encoder, x = built(config), noise(*shape)
    first = encoder.frames(x)
    other = x.clone()
    other[0] = 50 * noise(*shape[1:])
    assert torch.equal(encoder.frames(other)[1], first[1])
    assert torch.equal(encoder.frames(x), first)
    assert torch.allclose(encoder.frames(x.flip(0)), first.flip(0), atol=1e-6)


@both_inputs
def test_every_length_passes(config, shape, stride):
    encoder = built(config)
    for length in (1, stride - 1, stride, stride + 1, 3 * stride):
        frames = encoder.frames(noise(2, *shape[1:3], length))
        assert frames.shape[1] == max(1, length // stride)
        assert frames.isfinite().all()


def test_latents_equal_convolutions_written_out():
    encoder, x = built(WAVEFORM).double(), noise(1, 1, 1, 640).double()
    maps = x[:, 0]
    for block, kernel, stride in zip(encoder.convolutions, WAVEFORM.kernels, WAVEFORM.strides, strict=True):
        weight, bias = block.conv.weight[:, :, 0], block.conv.bias
        padded = torch.cat([torch.zeros(1, maps.shape[1], kernel - stride).double(), maps], dim=2)
        columns = [
            torch.einsum("ick,ck->i", weight, padded[0, :, start : start + kernel]) + bias
            for start in range(0, padded.shape[2] - kernel + 1, stride)
        ]
        normed = [F.layer_norm(column, column.shape, block.norm.weight, block.norm.bias) for column in columns]
        maps = torch.stack(normed, dim=1).relu()[None]
    assert torch.allclose(encoder.latents(x), maps.transpose(1, 2), atol=1e-12)


def test_the_defaults_over_waveforms_are_the_papers():
    encoder = build_seeded(CausalWaveformConfig(), 1, seed=0)
    assert (encoder.stride, encoder.latent_dim, encoder.embedding_dim) == (160, 512, 256)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"strides": [2]}, "one entry per layer"), ({"kernels": [1, 4]}, "shorter than its stride")],
)
def test_layers_that_make_no_network_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CausalConfig(**change)

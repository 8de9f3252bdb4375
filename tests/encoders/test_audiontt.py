"""AudioNTT2020 and 2022 against the papers' layers, written out in their own order."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.encoders.audiontt import AudioNtt2020, AudioNtt2022
from audiossl.errors import RecipeError
from audiossl.recipe.encoders import AudioNtt2020Config, AudioNtt2022Config
from tests.encoders.fill import fill


def convolved_as_published(state: dict[str, torch.Tensor], x: torch.Tensor, blocks: int) -> torch.Tensor:
    for block in range(blocks):
        x = F.conv2d(x, state[f"features.{4 * block}.weight"], state[f"features.{4 * block}.bias"], padding=1)
        bn = {
            part: state[f"features.{4 * block + 1}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        }
        x = F.max_pool2d(F.relu(F.batch_norm(x, **bn)), 2)
    batch, channels, bands, frames = x.shape
    return x.permute(0, 3, 2, 1).reshape(batch, frames, bands * channels)


def mlp_as_published(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    hidden = F.relu(F.linear(x, state["fc.0.weight"], state["fc.0.bias"]))
    return F.relu(F.linear(hidden, state["fc.3.weight"], state["fc.3.bias"]))


@pytest.mark.parametrize(("dim", "parameters"), [(512, 600_192), (1024, 1_649_792), (2048, 5_321_856)])
def test_2020_sizes_are_the_papers(dim, parameters):
    encoder = AudioNtt2020(AudioNtt2020Config(dim=dim), 64)
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    assert encoder(torch.zeros(2, 1, 64, 96)).shape == (2, dim)


def test_2022_size_is_the_papers():
    encoder = AudioNtt2022(AudioNtt2022Config(), 64)
    assert sum(p.numel() for p in encoder.parameters()) == 6_333_376
    assert encoder.frames(torch.zeros(2, 1, 64, 96)).shape == (2, 24, 3072)


def test_2020_equals_the_published_layers():
    encoder = AudioNtt2020(AudioNtt2020Config(dim=32), 64).eval()
    fill(encoder)
    x_BCFT, state = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(0)), encoder.state_dict()
    frames = mlp_as_published(state, convolved_as_published(state, x_BCFT, blocks=3))
    assert frames.shape == (2, 12, 32)
    assert torch.allclose(encoder.frames(x_BCFT), frames, rtol=1e-5, atol=1e-5)
    expected = torch.max(frames, dim=1).values + torch.mean(frames, dim=1)
    assert torch.allclose(encoder(x_BCFT), expected, rtol=1e-5, atol=1e-5)


def test_2022_equals_the_published_layers():
    encoder = AudioNtt2022(AudioNtt2022Config(dim=1100, hidden=48), 64).eval()
    fill(encoder)
    x_BCFT, state = torch.randn(2, 1, 64, 20, generator=torch.Generator().manual_seed(0)), encoder.state_dict()
    convolved = convolved_as_published(state, x_BCFT, blocks=2)
    frames = torch.cat([convolved, mlp_as_published(state, convolved)], dim=2)
    assert torch.allclose(encoder.frames(x_BCFT), frames, rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_of_the_published_order():
    encoder = AudioNtt2020(AudioNtt2020Config(dim=16, dropout=0.0), 16).eval().double()
    fill(encoder)
    x_BCFT = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parameters = dict(encoder.named_parameters())
    state = {**encoder.state_dict(), **parameters}
    plain = mlp_as_published(state, convolved_as_published(state, x_BCFT, blocks=3))
    wanted = torch.autograd.grad((plain.amax(dim=1) + plain.mean(dim=1)).square().sum(), parameters.values())
    found = torch.autograd.grad(encoder(x_BCFT).square().sum(), parameters.values())
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found, wanted, strict=True))


def test_2022_without_room_for_the_mlp_is_refused():
    with pytest.raises(RecipeError, match=r"64 mel bands give 1024 convolution features.*write dim: 3072"):
        AudioNtt2022(AudioNtt2022Config(dim=1024), 64)

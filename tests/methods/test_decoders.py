"""Decoders make pictures of any size, and the vector decides what is in them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.decoders import Decoder

SIZES = [(64, 96), (64, 97), (96, 101), (8, 8), (64, 1), (1, 1), (1, 50), (5, 300)]
CHANNELS = [(16, 8, 4, 4), (8,), (8, 4)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_a_vector_becomes_a_picture_of_exactly_the_size_asked_for(size, channels):
    assert Decoder(6, channels)(torch.randn(3, 6), size).shape == (3, 1, *size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("frames", [1, 5, 12])
@pytest.mark.parametrize("along", [2, 3])
def test_vectors_along_an_axis_become_a_picture_of_exactly_the_size_asked_for(size, frames, along):
    decoder = Decoder(6, (8, 4), outputs=3, along=along)
    assert decoder(torch.randn(3, frames, 6), size).shape == (3, 3, *size)


@pytest.mark.parametrize("along", [2, 3])
def test_vectors_along_an_axis_stand_in_their_order(along):
    torch.manual_seed(0)
    decoder = Decoder(6, (8, 4), along=along).eval()
    size = (16, 64) if along == 3 else (64, 16)
    z = torch.randn(1, 8, 6)
    later = z.clone()
    later[:, -1] += 1
    changed = (decoder(z, size) != decoder(later, size)).any(dim=5 - along).flatten().nonzero()
    assert changed.min() >= 32
    assert changed.max() == 63


def test_the_last_map_has_every_pixel_of_its_own():
    torch.manual_seed(0)
    decoder = Decoder(6, (8, 4))
    target = torch.randn(1, 1, 9, 7).expand(4, -1, -1, -1)
    optimiser = torch.optim.Adam(decoder.parameters(), 0.05)
    z = torch.randn(4, 6)
    before = F.mse_loss(decoder(z, (9, 7)), target).item()
    for _ in range(60):
        optimiser.zero_grad()
        F.mse_loss(decoder(z, (9, 7)), target).backward()
        optimiser.step()
    picture = decoder(z, (9, 7))
    assert F.mse_loss(picture, target) < 0.5 * before
    assert len(picture[0].unique()) == 63


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_autocast_is_finite_and_every_weight_gets_a_gradient(dtype):
    torch.manual_seed(0)
    decoder = Decoder(6, (8, 4, 4))
    with torch.autocast("cpu", dtype):
        picture = decoder(5 * torch.randn(4, 6), (16, 23))
    picture.float().square().mean().backward()
    assert picture.isfinite().all()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in decoder.parameters())

"""Redundancy losses against reference values and gradients, closed-form identities, and slow loops."""

from __future__ import annotations

import pytest
import torch

from audiossl.methods.losses.redundancy import barlow_twins
from tests.methods.losses.reference import check

GROUPS = {"barlow": lambda params, a, b: params.get("scale", 1.0) * barlow_twins(a, b, params["lambda_"])}


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 11


@pytest.mark.parametrize("weight", [0.001, 1.0])
def test_barlow_of_constant_embeddings_is_their_dimension(weight):
    assert barlow_twins(torch.ones(8, 24), torch.ones(8, 24), weight).item() == pytest.approx(24)


def test_barlow_does_not_see_affine_maps_of_a_feature():
    z1, z2 = torch.randn(2, 64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(7)) * 100
    moved = z1 * torch.linspace(0.5, 3, 6, dtype=torch.float64) + torch.arange(6)
    assert barlow_twins(moved, z2, 0.01).item() == pytest.approx(barlow_twins(z1, z2, 0.01).item(), rel=1e-6)


def test_barlow_of_identical_whitened_views_is_zero():
    z = torch.randn(64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(8)) * 1000
    centred = z - z.mean(0)
    whitened = torch.linalg.qr(centred).Q * 1e6
    assert barlow_twins(whitened, whitened, 1.0).item() == pytest.approx(0, abs=1e-9)


def test_barlow_equals_a_slow_loop():
    z1, z2 = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    a, b = ((z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt() for z in (z1, z2))
    expected = 0.0
    for i in range(4):
        for j in range(4):
            c = sum(float(a[n, i] * b[n, j]) for n in range(9)) / 9
            expected += (1 - c) ** 2 if i == j else 0.3 * c**2
    assert barlow_twins(z1, z2, 0.3).item() == pytest.approx(expected, rel=1e-12)


def test_autocast_does_not_lower_the_precision():
    z1, z2 = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = barlow_twins(z1, z2, 0.005)
    assert inside == barlow_twins(z1, z2, 0.005)


@pytest.mark.parametrize("loss", [lambda a, b: barlow_twins(a, b, 0.1)])
def test_gradients_are_those_of_finite_differences(loss):
    z1, z2 = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(10))
    assert torch.autograd.gradcheck(loss, (z1.requires_grad_(), z2.requires_grad_()))

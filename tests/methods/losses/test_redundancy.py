"""Redundancy losses against reference values and gradients, closed-form identities, and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.methods.losses.redundancy import barlow_twins, vicreg
from tests.methods.losses.reference import check, family, records

GROUPS = {
    "barlow": lambda params, a, b: params.get("scale", 1.0) * barlow_twins(a, b, params["lambda_"]),
    "vicreg": lambda params, a, b: vicreg(a, b, params["sim"], params["var"], params["cov"]),
    "vicreg_paper": lambda params, a, b: vicreg(a, b, params["sim"], 2 * params["var"], params["cov"]),
}
NOT_OURS = {"barlow_unbiased": "standardises by the unbiased deviation; the paper's code and ours by the biased one"}


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 17


@pytest.mark.shared
def test_the_records_declared_not_ours_are_another_loss(shared):
    arrays = np.load(shared / "reference/losses.npz")
    others = [record for record in records(shared) if family(record) in NOT_OURS]
    assert len(others) == 8
    for record in others:
        z1, z2 = (torch.tensor(arrays[f"in/{name}"], dtype=torch.float64) for name in record["inputs"])
        ours = barlow_twins(z1, z2, record["params"]["lambda_"]).item()
        assert ours != pytest.approx(record["value"], rel=1e-4), record["name"]


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


LOSSES = [
    pytest.param(lambda a, b: barlow_twins(a, b, 0.1), id="barlow_twins"),
    pytest.param(lambda a, b: vicreg(a, b, 25, 25, 1), id="vicreg"),
]
every_loss = pytest.mark.parametrize("loss", LOSSES)


@every_loss
def test_autocast_does_not_lower_the_precision(loss):
    z1, z2 = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(z1, z2)
    assert inside == loss(z1, z2)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [0.0, 1.0, 30.0])
def test_half_precision_stays_finite(loss, dtype, size):
    z = (size * torch.randn(32, 16, generator=torch.Generator().manual_seed(5))).to(dtype).requires_grad_()
    value = loss(z, z.detach().roll(1, 0))
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert z.grad.isfinite().all()


@every_loss
def test_gradients_are_those_of_finite_differences(loss):
    z1, z2 = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(10))
    assert torch.autograd.gradcheck(loss, (z1.requires_grad_(), z2.requires_grad_()))


@every_loss
def test_swapping_the_views_changes_nothing(loss):
    z1, z2 = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    assert loss(z1, z2).item() == pytest.approx(loss(z2, z1).item(), rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_vicreg_of_a_collapsed_network_is_its_variance_term(value):
    z = torch.full((64, 128), value, dtype=torch.float64)
    assert vicreg(z, z, 25, 25, 1).item() == pytest.approx(24.75, rel=1e-12)


def test_vicreg_of_identical_whitened_views_is_zero():
    z = torch.randn(64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    whitened = torch.linalg.qr(z - z.mean(0)).Q * 63**0.5
    assert vicreg(whitened, whitened, 25, 25, 1).item() == pytest.approx(0, abs=1e-12)


def test_vicreg_equals_a_slow_loop():
    views = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(9)) * 0.8
    expected = 0.0
    for n in range(9):
        for d in range(4):
            expected += 3 * float(views[0, n, d] - views[1, n, d]) ** 2 / 36
    for z in views:
        mean = [sum(float(z[n, d]) for n in range(9)) / 9 for d in range(4)]
        for i in range(4):
            for j in range(4):
                cov = sum((float(z[n, i]) - mean[i]) * (float(z[n, j]) - mean[j]) for n in range(9)) / 8
                expected += 5 * max(0.0, 1 - (cov + 1e-4) ** 0.5) / 8 if i == j else 7 * cov**2 / 4
    assert vicreg(*views, 3, 5, 7).item() == pytest.approx(expected, rel=1e-12)

"""Losses against reference values and gradients, closed-form identities, and slow loops."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from audiossl.methods import losses

GROUPS = {
    "ntxent": lambda params, a, b: losses.ntxent(a, b, params["temperature"]),
    "barlow": lambda params, a, b: params.get("scale", 1.0) * losses.barlow_twins(a, b, params["lambda_"]),
}


def reference_records(shared: Path) -> list[dict]:
    records = json.loads((shared / "reference/losses.json").read_text())["records"]
    return [record for record in records if record["group"].split("/")[0] in GROUPS]


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    arrays = np.load(shared / "reference/losses.npz")
    records = reference_records(shared)
    assert len(records) >= 60
    for record in records:
        loss = GROUPS[record["group"].split("/")[0]]
        # records of float32-only implementations agree no closer than their own arithmetic
        only_float32 = record["value"] == record.get("value_f32")
        for dtype, tolerance in ((torch.float64, 1e-5 if only_float32 else 1e-9), (torch.float32, 1e-5)):
            inputs = [torch.tensor(arrays[f"in/{name}"], dtype=dtype, requires_grad=True) for name in record["inputs"]]
            value = loss(record["params"], *inputs)
            if record["params"].get("eps"):
                tolerance = max(tolerance, 1e-7)
            assert value.item() == pytest.approx(record["value"], rel=max(tolerance, 1e-9), abs=2e-8), record["name"]
            value.backward()
            for name, tensor in zip(record["inputs"], inputs, strict=True):
                expected = record["grad_norm"][name]
                grad_tolerance = 1e-4 if dtype == torch.float32 or only_float32 else max(tolerance, 1e-9)
                assert tensor.grad.norm().item() == pytest.approx(expected, rel=grad_tolerance), record["name"]
                if record.get("grad_in_npz") and dtype == torch.float64:
                    reference = arrays[f"grad/{record['name']}/{name}"]
                    assert np.abs(tensor.grad.numpy() - reference).max() <= 1e-9 * np.abs(reference).max()


@pytest.mark.shared
def test_ntxent_equals_the_papers_own_code(shared):
    arrays = np.load(shared / "reference/uclser20_pipeline.npz")
    cases = sorted(name.split("/")[1] for name in arrays.files if name.endswith("loss_t0.2"))
    assert len(cases) == 3
    for case in cases:
        zi, zj = (torch.tensor(arrays[f"loss/{case}/{name}"]) for name in ("zi", "zj"))
        assert losses.ntxent(zi, zj, 0.2).item() == pytest.approx(float(arrays[f"loss/{case}/loss_t0.2"]), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("n", [2, 5, 16])
def test_ntxent_of_orthonormal_pairs(n, temperature):
    z = torch.eye(n, dtype=torch.float64)
    expected = math.log(1 + (2 * n - 2) * math.exp(-1 / temperature))
    assert losses.ntxent(z, z, temperature).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_ntxent_of_equal_embeddings_is_log_of_the_candidates(temperature):
    z = torch.ones(64, 16)
    assert losses.ntxent(z, z, temperature).item() == pytest.approx(math.log(127), abs=1e-5)


def test_ntxent_equals_a_slow_loop():
    z1, z2 = torch.randn(2, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = [F.normalize(row, dim=0) for row in torch.cat([z1, z2])]
    total = 0.0
    for i, anchor in enumerate(rows):
        partner = (i + 7) % 14
        others = sum(math.exp(float(anchor @ rows[j]) / 0.3) for j in range(14) if j != i)
        total -= math.log(math.exp(float(anchor @ rows[partner]) / 0.3) / others)
    assert losses.ntxent(z1, z2, 0.3).item() == pytest.approx(total / 14, rel=1e-12)


def test_ntxent_does_not_care_about_the_order_of_views_or_pairs():
    z1, z2 = torch.randn(2, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    base = losses.ntxent(z1, z2, 0.2)
    assert torch.allclose(losses.ntxent(z2, z1, 0.2), base, rtol=1e-12)
    assert torch.allclose(losses.ntxent(z1[order], z2[order], 0.2), base, rtol=1e-12)


def test_ntxent_in_blocks_equals_ntxent_at_once(monkeypatch):
    def value_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.randn(2, 33, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
        loss = losses.ntxent(z[0], z[1], 0.2)
        loss.backward()
        return loss, z.grad

    whole, whole_gradient = value_and_gradient()
    monkeypatch.setattr(losses, "ROWS_AT_ONCE", 10)
    blocks, blocks_gradient = value_and_gradient()
    assert torch.allclose(whole, blocks, rtol=1e-12)
    assert torch.allclose(whole_gradient, blocks_gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.01, 0.05])
def test_ntxent_stays_finite_in_half_precision(dtype, temperature):
    z = torch.randn(32, 16, generator=torch.Generator().manual_seed(5)).to(dtype).requires_grad_()
    loss = losses.ntxent(z, z.detach().roll(1, 0), temperature)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_autocast_does_not_lower_the_precision_of_a_loss():
    z1, z2 = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = losses.ntxent(z1, z2, 0.05), losses.barlow_twins(z1, z2, 0.005)
    assert inside == (losses.ntxent(z1, z2, 0.05), losses.barlow_twins(z1, z2, 0.005))


@pytest.mark.parametrize("weight", [0.001, 1.0])
def test_barlow_of_constant_embeddings_is_their_dimension(weight):
    assert losses.barlow_twins(torch.ones(8, 24), torch.ones(8, 24), weight).item() == pytest.approx(24)


def test_barlow_does_not_see_affine_maps_of_a_feature():
    z1, z2 = torch.randn(2, 64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(7)) * 100
    moved = z1 * torch.linspace(0.5, 3, 6, dtype=torch.float64) + torch.arange(6)
    assert losses.barlow_twins(moved, z2, 0.01).item() == pytest.approx(
        losses.barlow_twins(z1, z2, 0.01).item(), rel=1e-6
    )


def test_barlow_of_identical_whitened_views_is_zero():
    z = torch.randn(64, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(8)) * 1000
    centred = z - z.mean(0)
    whitened = torch.linalg.qr(centred).Q * 1e6
    assert losses.barlow_twins(whitened, whitened, 1.0).item() == pytest.approx(0, abs=1e-9)


def test_barlow_equals_a_slow_loop():
    z1, z2 = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    a, b = ((z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt() for z in (z1, z2))
    expected = 0.0
    for i in range(4):
        for j in range(4):
            c = sum(float(a[n, i] * b[n, j]) for n in range(9)) / 9
            expected += (1 - c) ** 2 if i == j else 0.3 * c**2
    assert losses.barlow_twins(z1, z2, 0.3).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [lambda a, b: losses.ntxent(a, b, 0.3), lambda a, b: losses.barlow_twins(a, b, 0.1)])
def test_gradients_are_those_of_finite_differences(loss):
    z1, z2 = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(10))
    assert torch.autograd.gradcheck(loss, (z1.requires_grad_(), z2.requires_grad_()))

"""Contrastive losses against reference values and gradients, closed-form identities, and slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.losses import contrastive
from audiossl.methods.losses.contrastive import info_nce, ntxent, symmetric_info_nce
from tests.methods.losses.reference import check

GROUPS = {
    "ntxent": lambda params, a, b: ntxent(a, b, params["temperature"]),
    "infonce_oneway": lambda params, a, b: info_nce(a, b, params["temperature"]),
    "clip": lambda params, a, b: symmetric_info_nce(a, b, params["temperature"]),
}


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 81


@pytest.mark.shared
def test_ntxent_equals_the_papers_own_code(shared):
    arrays = np.load(shared / "reference/uclser20_pipeline.npz")
    cases = sorted(name.split("/")[1] for name in arrays.files if name.endswith("loss_t0.2"))
    assert len(cases) == 3
    for case in cases:
        zi, zj = (torch.tensor(arrays[f"loss/{case}/{name}"]) for name in ("zi", "zj"))
        assert ntxent(zi, zj, 0.2).item() == pytest.approx(float(arrays[f"loss/{case}/loss_t0.2"]), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("n", [2, 5, 16])
def test_ntxent_of_orthonormal_pairs(n, temperature):
    z = torch.eye(n, dtype=torch.float64)
    expected = math.log(1 + (2 * n - 2) * math.exp(-1 / temperature))
    assert ntxent(z, z, temperature).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_ntxent_of_equal_embeddings_is_log_of_the_candidates(temperature):
    z = torch.ones(64, 16)
    assert ntxent(z, z, temperature).item() == pytest.approx(math.log(127), abs=1e-5)


def test_ntxent_equals_a_slow_loop():
    z1, z2 = torch.randn(2, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = [F.normalize(row, dim=0) for row in torch.cat([z1, z2])]
    total = 0.0
    for i, anchor in enumerate(rows):
        partner = (i + 7) % 14
        others = sum(math.exp(float(anchor @ rows[j]) / 0.3) for j in range(14) if j != i)
        total -= math.log(math.exp(float(anchor @ rows[partner]) / 0.3) / others)
    assert ntxent(z1, z2, 0.3).item() == pytest.approx(total / 14, rel=1e-12)


def test_ntxent_does_not_care_about_the_order_of_views_or_pairs():
    z1, z2 = torch.randn(2, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    base = ntxent(z1, z2, 0.2)
    assert torch.allclose(ntxent(z2, z1, 0.2), base, rtol=1e-12)
    assert torch.allclose(ntxent(z1[order], z2[order], 0.2), base, rtol=1e-12)


def test_ntxent_in_blocks_equals_ntxent_at_once(monkeypatch):
    def value_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.randn(2, 33, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
        loss = ntxent(z[0], z[1], 0.2)
        loss.backward()
        return loss, z.grad

    whole, whole_gradient = value_and_gradient()
    monkeypatch.setattr(contrastive, "ROWS_AT_ONCE", 10)
    blocks, blocks_gradient = value_and_gradient()
    assert torch.allclose(whole, blocks, rtol=1e-12)
    assert torch.allclose(whole_gradient, blocks_gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.01, 0.05])
def test_ntxent_stays_finite_in_half_precision(dtype, temperature):
    z = torch.randn(32, 16, generator=torch.Generator().manual_seed(5)).to(dtype).requires_grad_()
    loss = ntxent(z, z.detach().roll(1, 0), temperature)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_autocast_does_not_lower_the_precision():
    z1, z2 = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = ntxent(z1, z2, 0.05)
    assert inside == ntxent(z1, z2, 0.05)


@pytest.mark.parametrize("loss", [lambda a, b: ntxent(a, b, 0.3), lambda a, b: info_nce(a, b, 0.3)])
def test_gradients_are_those_of_finite_differences(loss):
    z1, z2 = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(10))
    assert torch.autograd.gradcheck(loss, (z1.requires_grad_(), z2.requires_grad_()))


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_info_nce_of_equal_embeddings_is_log_of_the_candidates(temperature):
    assert info_nce(torch.ones(8, 16), torch.ones(24, 16), temperature).item() == pytest.approx(math.log(24), abs=1e-5)


def test_info_nce_equals_a_slow_loop_with_further_negatives():
    anchors, candidates = torch.randn(5, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    total = 0.0
    for n, anchor in enumerate(anchors):
        scores = [float(F.cosine_similarity(anchor, one, dim=0)) / 0.3 for one in candidates]
        total -= math.log(math.exp(scores[n]) / sum(map(math.exp, scores)))
    assert info_nce(anchors, candidates, 0.3).item() == pytest.approx(total / 5, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_symmetric_info_nce_of_equal_embeddings_is_log_of_the_pairs(temperature):
    z = torch.ones(8, 16)
    assert symmetric_info_nce(z, z, temperature).item() == pytest.approx(math.log(8), abs=1e-5)


def test_symmetric_info_nce_does_not_care_which_side_comes_first():
    a, b = torch.randn(2, 8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(11))
    assert symmetric_info_nce(a, b, 0.2).item() == pytest.approx(symmetric_info_nce(b, a, 0.2).item(), rel=1e-12)
    assert symmetric_info_nce(a, b, 0.2).item() != pytest.approx(info_nce(a, b, 0.2).item(), rel=1e-3)


def test_a_learnt_temperature_gets_a_gradient():
    a, b = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(12))
    temperature = torch.tensor(0.2, requires_grad=True)
    symmetric_info_nce(a, b, temperature).backward()
    assert temperature.grad is not None
    assert temperature.grad.abs() > 1e-3

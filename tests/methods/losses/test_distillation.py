"""The losses of BYOL and SimSiam against reference values and gradients, and closed-form identities."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.losses.distillation import byol, negative_cosine
from tests.methods.losses.reference import check

GROUPS = {
    "byol": lambda params, a, b: byol(a, b),
    "negcos": lambda params, a, b: negative_cosine(a, b),
}
LOSSES = [byol, negative_cosine]


def pair(n: int = 7, dim: int = 5, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return list(torch.randn(2, n, dim, dtype=dtype, generator=torch.Generator().manual_seed(1)))


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 7


def test_byol_is_the_squared_distance_of_unit_vectors():
    p, z = pair()
    expected = sum(float(((a / a.norm() - b / b.norm()) ** 2).sum()) for a, b in zip(p, z, strict=True)) / 7
    assert byol(p, z).item() == pytest.approx(expected, rel=1e-12)
    assert byol(p, z).item() == pytest.approx(2 + 2 * negative_cosine(p, z).item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_least_and_the_most(dtype):
    p, _ = pair(dtype=dtype)
    assert negative_cosine(p, 3 * p).item() == pytest.approx(-1, abs=1e-6)
    assert byol(p, 3 * p).item() == pytest.approx(0, abs=1e-6)
    assert byol(p, -p).item() == pytest.approx(4, rel=1e-6)


def test_simsiam_of_a_collapsed_network_is_minus_one_without_gradient():
    p = torch.ones(8, 16, dtype=torch.float64, requires_grad=True)
    loss = negative_cosine(p, p)
    loss.backward()
    assert loss.item() == pytest.approx(-1, rel=1e-12)
    assert p.grad.abs().max() < 1e-12


@pytest.mark.parametrize("loss", LOSSES)
def test_lengths_do_not_matter(loss):
    p, z = pair()
    stretched = loss(p * torch.arange(1, 8)[:, None], z * 1e3)
    assert stretched.item() == pytest.approx(loss(p, z).item(), rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_enters_the_target(loss):
    p, z = (one.requires_grad_() for one in pair())
    loss(p, z).backward()
    assert z.grad is None
    assert p.grad.abs().max() > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    p, z = pair()
    assert torch.autograd.gradcheck(lambda p: loss(p, z), (p.requires_grad_(),))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_half_precision_stays_finite(loss, dtype, size):
    p, z = (one.mul(size).to(dtype) for one in pair(32, 64, torch.float32))
    p.requires_grad_()
    value = loss(p, z)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(p.detach().float(), z.float()).item(), rel=1e-6)
    assert p.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_does_not_lower_the_precision(loss):
    p, z = pair(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(p, z)
    assert inside == loss(p, z)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_dead_embedding_has_a_finite_gradient(loss):
    p, z = torch.zeros(4, 8, requires_grad=True), F.normalize(torch.randn(4, 8), dim=1)
    loss(p, z).backward()
    assert p.grad.isfinite().all()

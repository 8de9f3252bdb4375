"""The losses of MoCo v2 and v3 against reference values and gradients, closed-form identities, and a slow loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.losses.momentum_contrast import moco, moco_v3
from tests.methods.losses.reference import check

GROUPS = {
    "moco": lambda params, query, key, queue: moco(query, key, queue, params["temperature"]),
    "mocov3": lambda params, query, key: moco_v3(query, key, params["temperature"]),
}


def draw(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 9


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
@pytest.mark.parametrize("rows", [1, 37])
def test_moco_of_a_collapsed_network_is_log_of_the_candidates(temperature, rows):
    z, queue = torch.ones(8, 16), F.normalize(torch.ones(rows, 16), dim=1)
    assert moco(z, z, queue, temperature).item() == pytest.approx(math.log(1 + rows), abs=1e-5)


def test_moco_equals_a_slow_loop():
    query, key, queue = draw(5, 4), draw(5, 4, seed=2), F.normalize(draw(9, 4, seed=3), dim=1)
    total = 0.0
    for q, k in zip(query, key, strict=True):
        own = math.exp(float(F.cosine_similarity(q, k, dim=0)) / 0.3)
        others = sum(math.exp(float(F.cosine_similarity(q, row, dim=0)) / 0.3) for row in queue)
        total -= math.log(own / (own + others))
    assert moco(query, key, queue, 0.3).item() == pytest.approx(total / 5, rel=1e-12)


def test_no_gradient_enters_key_or_queue():
    query, key, queue = (draw(6, 4, seed=n).requires_grad_() for n in range(3))
    moco(query, key, queue, 0.2).backward()
    assert query.grad.abs().max() > 0
    assert key.grad is None
    assert queue.grad is None


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_moco_v3_of_a_collapsed_network_is_log_of_the_batch_times_twice_the_temperature(temperature):
    assert moco_v3(torch.ones(8, 4), torch.ones(8, 4), temperature).item() == pytest.approx(
        2 * temperature * math.log(8), abs=1e-5
    )


def test_gradients_are_those_of_finite_differences():
    query, key, queue = draw(6, 4).requires_grad_(), draw(6, 4, seed=2), F.normalize(draw(9, 4, seed=3), dim=1)
    assert torch.autograd.gradcheck(lambda q: moco(q, key, queue, 0.3), (query,))
    assert torch.autograd.gradcheck(lambda q: moco_v3(q, key, 0.3), (query,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.01, 0.05])
def test_half_precision_stays_finite(dtype, temperature):
    queue = F.normalize(draw(64, 16, dtype=torch.float32), dim=1)
    for loss in (lambda q, k: moco(q, k, queue, temperature), lambda q, k: moco_v3(q, k, temperature)):
        query, key = draw(32, 16).to(dtype).requires_grad_(), draw(32, 16, seed=2).to(dtype)
        value = loss(query, key)
        value.backward()
        assert value.dtype == torch.float32
        assert value.isfinite()
        assert query.grad.isfinite().all()


def test_autocast_does_not_lower_the_precision():
    query, key = draw(32, 16, dtype=torch.float32), draw(32, 16, dtype=torch.float32, seed=2)
    for loss in (lambda: moco(query, key, F.normalize(key, dim=1), 0.05), lambda: moco_v3(query, key, 0.05)):
        with torch.autocast("cpu", torch.bfloat16):
            inside = loss()
        assert inside == loss()

"""Optimisers and schedules against reference values and their formulas."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from audiossl.recipe.schema import Recipe
from audiossl.training.optim import Lars, build_optimiser, lr_factor, parameter_groups

OTHER_LARS = {
    "lars5/solo_clip": "caps the ratio at the learning rate and trusts twenty times more",
    "lars5/barlow_official": "divides by |gradient + decay * weight| instead of the sum of the norms",
    "lars5/sgd_torch": "is SGD, for contrast",
}
"""Records that our LARS rightly does not meet."""


def apart_after_five_steps(shared, name: str) -> float:
    """The largest distance of a weight of our LARS from the record's."""
    arrays = np.load(shared / "reference/losses.npz")
    (record,) = (r for r in json.loads((shared / "reference/losses.json").read_text())["records"] if r["name"] == name)
    weight, bias = (nn.Parameter(torch.tensor(arrays[f"in/{which}"])) for which in ("lars_W", "lars_b"))
    p = record["params"]
    optimiser = Lars([weight, bias], p["lr"], p["momentum"], p["weight_decay"], trust=0.001)
    for step in range(5):
        weight.grad, bias.grad = (torch.tensor(arrays[f"in/{which}"][step]) for which in ("lars_gW", "lars_gb"))
        optimiser.step()
    pairs = ((weight, arrays[f"arr/{name}/W"]), (bias, arrays[f"arr/{name}/b"]))
    return max(float(np.abs(ours.detach().numpy() - theirs).max()) for ours, theirs in pairs)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["lars5/lightly", "lars5/solo", "lars5/spt"])
def test_lars_equals_the_reference_after_five_steps(shared, name):
    assert apart_after_five_steps(shared, name) < 1e-7


@pytest.mark.shared
@pytest.mark.parametrize("name", OTHER_LARS)
def test_the_records_declared_not_ours_are_another_lars(shared, name):
    assert apart_after_five_steps(shared, name) > 5e-7


def test_lars_equals_a_slow_loop():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))
    optimiser = Lars([weight], 0.5, 0.9, 0.1, 0.01)
    expected, momentum = weight.detach().clone(), torch.zeros(3, 4, dtype=torch.float64)
    for _ in range(3):
        gradient = torch.randn(3, 4, dtype=torch.float64)
        ratio = 0.01 * expected.norm() / (gradient.norm() + 0.1 * expected.norm())
        momentum = 0.9 * momentum + ratio * (gradient + 0.1 * expected)
        expected = expected - 0.5 * momentum
        weight.grad = gradient
        optimiser.step()
    assert torch.allclose(weight, expected, rtol=1e-12)


def test_a_zero_weight_or_gradient_is_not_scaled_away():
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.ones(2, 2)
    Lars([weight], 1.0, 0.0, 0.0, 0.001).step()
    assert torch.equal(weight, -torch.ones(2, 2))


def test_biases_and_norms_do_not_decay_unless_asked():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    decayed, kept = parameter_groups(module, 0.5, decay_all=False)
    assert [p.dim() for p in decayed["params"]] == [2]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)
    (everything,) = parameter_groups(module, 0.5, decay_all=True)
    assert len(everything["params"]) == 4


def test_frozen_parameters_are_not_in_the_optimiser():
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    recipe = Recipe(optimiser={"name": "sgd", "lr": 0.1})
    held = [p for group in build_optimiser(recipe, module).param_groups for p in group["params"]]
    assert len(held) == 1
    assert held[0] is module.weight


def test_cosine_warms_up_then_falls_to_its_final_value():
    recipe = Recipe(schedule={"name": "cosine", "warmup": 0.1, "final": 0.01})
    factors = [lr_factor(recipe, step, 100, 10) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == pytest.approx(1)
    assert factors[55] == pytest.approx(0.01 + 0.99 * 0.5)
    assert factors[100] == pytest.approx(0.01)
    expected = [0.01 + 0.99 * (1 + math.cos(math.pi * (step - 10) / 90)) / 2 for step in range(10, 101)]
    assert factors[10:] == pytest.approx(expected)


def test_multistep_drops_at_its_epochs():
    recipe = Recipe(schedule={"name": "multistep", "milestones": [3, 5], "gamma": 0.1})
    factors = [lr_factor(recipe, 10 * epoch, 100, 10) for epoch in range(7)]
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01])

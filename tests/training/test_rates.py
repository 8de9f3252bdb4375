"""Learning rates: whose they are, what warm-up and schedule make of them, and that LARS takes them too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audiossl.methods.base import Rate
from audiossl.recipe.schema import Recipe
from audiossl.training.optim import build_optimiser, lr_factor, parameter_groups, set_lr

SCHEDULES = [
    {"name": "cosine"},
    {"name": "multistep", "milestones": [1000]},
    {"name": "constant"},
]
OPTIMISERS = [{"name": "sgd", "lr": 0.1}, {"name": "adamw", "lr": 0.1}, {"name": "lars", "lr": 0.1}]


@pytest.fixture
def module() -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(3, 3) for name in ("encoder", "fast", "steady")})


def rates(module: nn.ModuleDict) -> list[Rate]:
    return [
        Rate(list(module["fast"].parameters()), factor=3.0),
        Rate(list(module["steady"].parameters()), scheduled=False),
    ]


def rate_of(optimiser: torch.optim.Optimizer, parameter: nn.Parameter) -> float:
    (group,) = (group for group in optimiser.param_groups if any(p is parameter for p in group["params"]))
    return group["lr"]


def test_every_parameter_is_in_one_group_with_its_own_factor(module):
    groups = parameter_groups(module, 0.1, False, rates(module))
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(map(id, module.parameters()))
    told = {(group["factor"], group["scheduled"], group["weight_decay"]) for group in groups}
    assert told == {(f, s, d) for f, s in ((1.0, True), (3.0, True), (1.0, False)) for d in (0.1, 0.0)}


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda told: told["name"])
def test_the_schedule_moves_what_is_scheduled_in_every_optimiser(module, optimiser):
    built = build_optimiser(Recipe(optimiser=optimiser), module, rates(module))
    set_lr(built, 0.1, 0.5)
    assert rate_of(built, module["encoder"].weight) == pytest.approx(0.05)
    assert rate_of(built, module["fast"].bias) == pytest.approx(0.15)
    assert rate_of(built, module["steady"].weight) == pytest.approx(0.1)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda told: told["name"])
def test_a_rate_of_nothing_moves_nothing(module, optimiser):
    built = build_optimiser(Recipe(optimiser=optimiser), module, rates(module))
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    sum(part(torch.ones(2, 3)).square().sum() for part in module.values()).backward()
    set_lr(built, 0.1, 0.0)
    built.step()
    moved = {name.split(".")[0] for name, p in module.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"steady"}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda told: told["name"])
def test_warm_up_rises_evenly_to_the_whole_rate(schedule):
    recipe = Recipe(schedule={**schedule, "warmup": 0.2})
    factors = [lr_factor(recipe, step, 100, 10) for step in range(21)]
    assert factors[:20] == pytest.approx([(step + 1) / 20 for step in range(20)])
    assert factors[20] == pytest.approx(1)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda told: told["name"])
def test_without_warm_up_the_first_step_has_the_whole_rate(schedule):
    assert lr_factor(Recipe(schedule={**schedule, "warmup": 0}), 0, 100, 10) == 1


def test_lars_takes_the_rate_of_a_group_in_its_step():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(4, 4, dtype=torch.float64)) for _ in range(2)]
    with torch.no_grad():
        weights[1].copy_(weights[0])
    holder = nn.ParameterList(weights)
    built = build_optimiser(Recipe(optimiser={"name": "lars", "lr": 0.1}), holder, [Rate([weights[1]], factor=3.0)])
    set_lr(built, 0.1, 1.0)
    start = weights[0].detach().clone()
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    built.step()
    assert torch.allclose(weights[1] - start, 3 * (weights[0] - start), rtol=1e-9)


def test_auto_is_never_a_rate():
    with pytest.raises(AssertionError, match="resolved before training"):
        lr_factor(Recipe(), 0, 100, 10)

"""What every method promises, whatever its loss, held by every case."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from audiossl.methods.base import Method, ViewPlan
from audiossl.methods.build import METHODS
from audiossl.methods.contrastive import SimClr
from audiossl.methods.state import Teacher
from audiossl.recipe.catalogue import list_methods, method_configs
from audiossl.recipe.methods import SimClrConfig
from audiossl.training.optim import parameter_groups
from tests.methods.case import Case
from tests.methods.cases import CASES
from tests.methods.trial import ITEMS, PER_EPOCH, Trial, at, norm_buffers

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
SIMCLR = Case(SimClrConfig(head="64 bn relu 32"))
"""What the broken controls are made of."""
QUEUED: dict[str, set[str]] = {"moco": {"queue.rows", "queue.pushed"}}
"""What a loss may change: the keys of every batch are queued at once, the accumulated ones too."""


def loss_of(trial: Trial, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
    """The losses at the first step, always with the same random numbers."""
    torch.manual_seed(7)
    return trial.method.loss(views, index, at(0))


def started(case: Case) -> tuple[Trial, list[Tensor], Tensor]:
    """A trial at its first batch."""
    trial = Trial(case)
    trial.begin(0)
    return trial, *trial.batch(0)


def test_every_method_of_the_recipe_is_built_and_has_a_case():
    assert set(method_configs()) == set(METHODS) == {type(case.config) for case in CASES}
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("method", list_methods(), ids=lambda method: method.name)
def test_every_method_has_recipes_for_what_it_takes_and_no_others(method):
    assert {recipe.partition("/")[0] for recipe in method.recipes} == set(method.takes)


def test_every_method_has_a_case_in_the_worlds_of_what_it_takes():
    told: dict[str, set[int]] = {}
    for case in CASES:
        items, labels = case.place.items(2, torch.Generator().manual_seed(0))
        first, *_ = case.place.views(ViewPlan(views=1), items, labels, torch.Generator().manual_seed(0))
        told.setdefault(case.config.name, set()).add(first.shape[1] if first.dim() == 4 else 0)
    for method in list_methods():
        assert (3 in told[method.name]) == ("image" in method.takes), method.name
        assert bool({0, 1} & told[method.name]), method.name


@every_case
def test_the_loss_is_a_finite_scalar_and_so_is_whatever_else_is_logged(case):
    losses = loss_of(*started(case))
    assert losses["loss"].requires_grad
    assert all(value.shape == () and torch.isfinite(value) for value in losses.values())


@pytest.fixture
def double() -> Iterator[None]:
    """Everything in float64, so that a gradient of nothing is told from rounding."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@every_case
def test_the_gradient_reaches_every_parameter_that_the_loss_depends_on(case, double):
    every_gradient_arrives(Trial(case))


def every_gradient_arrives(trial: Trial) -> None:
    case = trial.case
    trial.begin(0)
    views, index = trial.batch(0)
    state = copy.deepcopy(trial.method.state_dict())
    trained = {name: weight for name, weight in trial.method.named_parameters() if weight.requires_grad}
    loss = loss_of(trial, views, index)["loss"]
    loss.backward()
    unused = {name for name, weight in trained.items() if weight.grad is None}
    assert unused <= case.idle
    assert all(weight.grad.isfinite().all() for name, weight in trained.items() if name not in unused)
    still = {name for name in trained.keys() - unused if trained[name].grad.abs().max() < 1e-12}
    assert case.idle <= unused | still, "idle names a parameter that moves"
    # What has no gradient must be without effect: a bias in front of a norm, or of what is compared with its like.
    for name in still - case.idle:
        trial.method.load_state_dict(state)
        with torch.no_grad():
            trained[name].add_(torch.linspace(-1e-3, 1e-3, trained[name].numel()).view_as(trained[name]))
        assert loss_of(trial, views, index)["loss"].item() == pytest.approx(loss.item(), rel=1e-9, abs=1e-12), name


@every_case
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # Ten roundings of half a unit in the last place, which a network of some layers and a temperature of 0.1 make.
    [(torch.float16, 10 * 2**-11), (torch.bfloat16, 10 * 2**-8)],
    ids=["fp16", "bf16"],
)
def test_half_precision_is_finite_and_near(case, dtype, tolerance):
    exact = loss_of(*started(case))["loss"].item()
    trial, views, index = started(case)
    with torch.autocast("cpu", dtype):
        loss = loss_of(trial, views, index)["loss"]
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, rel=tolerance, abs=tolerance)
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in trial.method.parameters())


@every_case
def test_a_loss_changes_no_state_but_running_statistics(case):
    trial, views, index = started(case)
    trial.advance(1)
    before = {name: value.clone() for name, value in trial.method.state_dict().items()}
    for _ in range(2):  # as with accumulated batches
        loss_of(trial, views, index)["loss"].backward()
    after = trial.method.state_dict()
    assert before.keys() == after.keys()
    free = norm_buffers(trial.method) | QUEUED.get(case.config.name, set())
    assert not [name for name in before.keys() - free if not torch.equal(before[name], after[name])]


@every_case
def test_teachers_have_no_gradient_and_are_not_in_the_optimiser(case):
    trial, views, index = started(case)
    loss_of(trial, views, index)["loss"].backward()
    method = trial.method
    taught = [p for module in method.modules() if isinstance(module, Teacher) for p in module.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in taught)
    held = [id(p) for group in parameter_groups(method, 0.1, False, method.rates()) for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in method.parameters() if p.requires_grad)


def changed_by_resuming(case: Case, control: type[Method[Any]] | None = None) -> list[str]:
    """What differs after a run that was saved in mid-epoch and built anew, from one that went on."""
    done, more = PER_EPOCH + 2, PER_EPOCH
    whole, resumed = (Trial(case, case.build(ITEMS, control)) for _ in range(2))
    whole.advance(done)
    resumed.load(whole.save())
    for trial in (whole, resumed):
        trial.advance(more)
    assert torch.equal(whole.generator.get_state(), resumed.generator.get_state())
    expected, seen = whole.method.state_dict(), resumed.method.state_dict()
    assert expected.keys() == seen.keys()
    return [name for name, value in expected.items() if not torch.equal(value, seen[name])]


@every_case
def test_a_run_resumed_in_mid_epoch_goes_on_bit_for_bit(case):
    assert not changed_by_resuming(case)


class Forgetful(SimClr):
    """The control whose state is no buffer: it counts in an attribute."""

    steps = 0

    def loss(self, views, index, at):
        return {"loss": super().loss(views, index, at)["loss"] / (1 + self.steps)}

    def after_step(self, at):
        self.steps += 1


class Deaf(SimClr):
    """The control whose encoder the loss depends on and does not teach."""

    def project(self, views):
        return [self.head(self.encoder(view).detach()) for view in views]


def test_a_state_outside_the_checkpoint_is_caught():
    assert changed_by_resuming(SIMCLR, Forgetful)


def test_a_gradient_that_does_not_arrive_is_caught(double):
    with pytest.raises(AssertionError):
        every_gradient_arrives(Trial(SIMCLR, SIMCLR.build(ITEMS, Deaf)))

"""Two processes equal one, for every method: loss, gradient, and state after the update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing import start_processes
from torch.nn.parallel import DistributedDataParallel

from audiossl.methods.base import Method
from audiossl.methods.contrastive import SimClr
from audiossl.recipe.methods import SimClrConfig
from audiossl.training.gather import gather_rows
from tests.methods.case import Case
from tests.methods.cases import CASES
from tests.methods.trial import BATCH, ITEMS, Trial, at

pytestmark = pytest.mark.timeout(400)  # two processes import everything anew

STEPS = 2
DRAWS_FOR_ITS_OWN_CLIPS = {
    "denoising": "noise and zeroed values",
    "masked_modelling": "hidden patches",
    "vae": "samples of the Gaussian",
    "ss_gan": "noise of the generator",
    "jigsaw": "orders and places of the tiles",
    "npid-nce": "negatives",
}
"""Methods or cases in which each process draws random numbers for its own clips: one process draws others, so only the
two are compared with each other."""
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def draws(case: Case) -> bool:
    return bool({case.id, case.config.name} & set(DRAWS_FOR_ITS_OWN_CLIPS))


class Forward(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, method: Method[Any]) -> None:
        super().__init__()
        self.method = method

    def forward(self, step: int, index: Tensor, *views: Tensor) -> Tensor:
        return self.method.loss(list(views), index, at(step))["loss"]


def without_norms(module: nn.Module) -> None:
    """Take every BatchNorm out: its statistics are each process's own, here as in training."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, nn.Identity())
        else:
            without_norms(child)


class Alone(SimClr):
    """The control in which each process compares only its own clips."""

    def project(self, views):
        return [self.head(self.encoder(view)) for view in views]


CONTROL = Case(SimClrConfig(head="16 relu 8"), name="alone")


def run(case: Case, rank: int, ranks: int, control: type[Method[Any]] | None = None) -> dict[str, Tensor]:
    """Two steps on one of several processes: their losses, the last gradients, and all state at the end."""
    method = case.build(ITEMS, control)
    without_norms(method)
    trial = Trial(case, method)
    for part in method.modules():
        if isinstance(part, Method):
            part.gather = gather_rows
    forward: nn.Module = Forward(method)
    if ranks > 1:
        forward = DistributedDataParallel(forward, find_unused_parameters=True)
    optimiser = torch.optim.SGD(method.parameters(), lr=0.01)
    seen = {}
    for step in range(STEPS):
        trial.begin(step)
        views, index = trial.batch(step)
        share = slice(rank * BATCH // ranks, (rank + 1) * BATCH // ranks)
        optimiser.zero_grad()
        torch.manual_seed(step)
        loss = forward(step, index[share], *(view[share] for view in views))
        loss.backward()
        seen[f"loss {step}"] = loss.detach().clone()
        gradients = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
        optimiser.step()
        method.after_step(at(step))
    return {**seen, **{f"gradient {name}": g for name, g in gradients.items()}, **method.state_dict()}


def on_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for case in CASES:
        torch.save(run(case, rank, 2), f"{folder}/{case.id}-{rank}.pt")
    torch.save(run(CONTROL, rank, 2, Alone), f"{folder}/{CONTROL.id}-{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    start_processes(on_rank, args=(str(folder),), nprocs=2, start_method="spawn")
    return folder


def of_ranks(folder: Path, case: Case) -> list[dict[str, Tensor]]:
    return [torch.load(folder / f"{case.id}-{rank}.pt", weights_only=True) for rank in range(2)]


def same(one: Tensor, other: Tensor, name: str) -> None:
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-10, msg=lambda text: f"{name}: {text}")


def compare(folder: Path, case: Case) -> None:
    """Two processes' steps with those of one."""
    torch.set_default_dtype(torch.float64)
    try:
        expected = run(case, 0, 1)
    finally:
        torch.set_default_dtype(torch.float32)
    first, second = of_ranks(folder, case)
    for name, value in expected.items():
        if name.startswith("loss"):  # without coupling each process has the mean over its own clips
            same((first[name] + second[name]) / 2, value, name)
        else:
            same(first[name], value, name)


@pytest.mark.parametrize("case", [case for case in CASES if not draws(case)], ids=lambda case: case.id)
def test_two_processes_equal_one(two_ranks, case):
    compare(two_ranks, case)


def test_processes_that_do_not_gather_are_caught(two_ranks):
    with pytest.raises(AssertionError, match="loss 0"):
        compare(two_ranks, CONTROL)


@every_case
def test_two_processes_stay_copies_of_each_other(two_ranks, case):
    first, second = of_ranks(two_ranks, case)
    assert first.keys() == second.keys()
    for name, value in first.items():
        if not name.startswith("loss"):
            same(second[name], value, name)


def test_what_is_not_compared_is_there():
    assert set(DRAWS_FOR_ITS_OWN_CLIPS) <= {word for case in CASES for word in (case.id, case.config.name)}


def test_without_other_ranks_the_rows_are_themselves():
    z = torch.randn(3, 2)
    assert gather_rows(z) is z

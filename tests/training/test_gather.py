"""Two processes equal one, for every loss that couples the examples of a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing import start_processes
from torch.nn.parallel import DistributedDataParallel

from audiossl.methods.base import At, Method
from audiossl.methods.build import build_method
from audiossl.recipe.methods import BarlowTwinsConfig, SimClrConfig
from audiossl.training.gather import gather_rows

CONFIGS = [SimClrConfig(head="12 relu 8"), BarlowTwinsConfig(head="12 relu 8")]
AT = At(0, 1, 0.0)


class Forward(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.method.loss([first, second], torch.arange(len(first)), AT)["loss"]


def build(config) -> Method:
    torch.manual_seed(0)
    return build_method(config, nn.Sequential(nn.Linear(6, 10), nn.Tanh()), 10, 16).double()


def views() -> tuple[Tensor, Tensor]:
    a, b = torch.randn(2, 16, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return a, 0.7 * a + 0.5 * b


def outcome(forward: nn.Module, method: Method, first: Tensor, second: Tensor) -> dict[str, Tensor]:
    loss = forward(first, second)
    loss.backward()
    return {"loss": loss.detach(), **{name: p.grad for name, p in method.named_parameters()}}


def on_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    for config in CONFIGS:
        method = build(config)
        method.gather = gather_rows
        first, second = (view.chunk(2)[rank] for view in views())
        seen = outcome(DistributedDataParallel(Forward(method)), method, first, second)
        torch.save(seen, f"{folder}/{config.name}-{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    start_processes(on_rank, args=(str(folder),), nprocs=2, start_method="spawn")
    return folder


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_equal_one(two_ranks, config, rank):
    method = build(config)
    expected = outcome(Forward(method), method, *views())
    seen = torch.load(two_ranks / f"{config.name}-{rank}.pt", weights_only=True)
    assert seen.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(seen[name], value, rtol=1e-6, atol=1e-12), name


def test_without_other_ranks_the_rows_are_themselves():
    z = torch.randn(3, 2)
    assert gather_rows(z) is z

"""A case at work on a few clips: steps as the trainer makes them, so that the proofs need no trainer."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn

from audiossl.methods.base import At, Method
from audiossl.training.optim import parameter_groups, set_lr
from tests.methods.case import Case

ITEMS, BATCH = 128, 32
PER_EPOCH = ITEMS // BATCH
STEPS = 3 * PER_EPOCH


def at(step: int) -> At:
    return At(step, STEPS, step / PER_EPOCH)


class Trial:
    """A method, its optimiser, and the clips of its world."""

    def __init__(self, case: Case, method: Method[Any] | None = None) -> None:
        self.case, self.world = case, case.place
        self.items, self.labels = self.world.items(ITEMS, torch.Generator().manual_seed(0))
        self.generator = torch.Generator().manual_seed(1)
        self.method = (method or case.build(ITEMS)).train()
        groups = parameter_groups(self.method, 0.01, False, self.method.rates())
        self.optimiser = torch.optim.Adam(groups, lr=case.lr)
        self.step = 0

    def batch(self, step: int) -> tuple[list[Tensor], Tensor]:
        """Views and positions of the clips of one step; draws from the trial's generator."""
        index = torch.arange(ITEMS).roll(-step * BATCH)[:BATCH]
        views = self.world.views(self.method.plan, self.items[index], self.labels[index], self.generator)
        return views, index

    def embed(self, f: Any) -> tuple[Tensor, Tensor]:
        self.method.eval()
        with torch.no_grad():
            values = f(self.world.view(self.items, torch.Generator().manual_seed(2)))
        self.method.train()
        return values, torch.arange(ITEMS)

    def begin(self, step: int) -> None:
        """What comes before a batch: its seed, and at the start of an epoch the method's turn."""
        torch.manual_seed(100 + step)
        if step % PER_EPOCH == 0:
            self.method.before_epoch(at(step), self.embed)

    def advance(self, steps: int) -> None:
        """Train so many steps on."""
        for _ in range(steps):
            self.begin(self.step)
            set_lr(self.optimiser, self.case.lr, 1.0)
            views, index = self.batch(self.step)
            self.optimiser.zero_grad()
            self.method.loss(views, index, at(self.step))["loss"].backward()
            self.optimiser.step()
            self.method.after_step(at(self.step))
            self.step += 1

    def save(self) -> bytes:
        state = {
            "step": self.step,
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def load(self, content: bytes) -> None:
        state = torch.load(io.BytesIO(content), weights_only=True)
        self.step = state["step"]
        self.method.load_state_dict(state["method"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])


def norm_buffers(method: nn.Module) -> set[str]:
    """The names of the running statistics, which every forward pass in training moves."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    return {
        f"{name}.{buffer}"
        for name, module in method.named_modules()
        if isinstance(module, norms)
        for buffer, _ in module.named_buffers()
    }

"""What a method remembers from step to step: a teacher, a queue, a bank. All in buffers, float32, wrap-safe.

Queue and bank put a new tensor in place of the old one: what a loss has used stays as it was until its backward pass.

Shapes: K rows of a queue, D embedding size, N items of the data set.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from audiossl.methods.base import At


def ema_momentum(base: float, final: float, at: At) -> float:
    """From `base` at the first step to `final` at the last, along half a cosine (BYOL, Grill et al. 2020)."""
    return final - (final - base) * (math.cos(math.pi * at.progress) + 1) / 2


class Teacher(nn.Module):
    """An exponential moving average of a student's parameters, without gradient (Tarvainen and Valpola 2017).

    It starts as a copy. Its BatchNorm normalises by the statistics of its own batches, or, with `average_norms`, by the
    moving average of the student's running statistics (EMAN, Cai et al. 2021), which tell nothing of the batch.
    """

    def __init__(self, student: nn.Module, *, average_norms: bool = False) -> None:
        super().__init__()
        self.module = copy.deepcopy(student).requires_grad_(False)
        self.average_norms = average_norms
        self.train()

    @torch.no_grad()
    def forward(self, *args: Any) -> Any:
        """The teacher's output, without gradient; averaged norms stay with their running statistics."""
        norms = [part for part in self.module.modules() if isinstance(part, _BatchNorm) and self.average_norms]
        modes = [norm.training for norm in norms]
        for norm in norms:
            norm.eval()
        try:
            return self.module(*args)
        finally:  # a trainer warns of modules that it finds in another mode than the rest
            for norm, mode in zip(norms, modes, strict=True):
                norm.train(mode)

    @torch.no_grad()
    def update(self, student: nn.Module, momentum: float) -> None:
        """Set teacher <- momentum * teacher + (1 - momentum) * student.

        Called outside autocast: with a momentum near 1 an update would vanish in the rounding of half precision.
        """
        own: list[Tensor] = list(self.module.parameters())
        others: list[Tensor] = list(student.parameters())
        if self.average_norms:
            own += [buffer for buffer in self.module.buffers() if buffer.is_floating_point()]
            others += [buffer for buffer in student.buffers() if buffer.is_floating_point()]
        torch._foreach_lerp_(own, others, weight=1 - momentum)


class Queue(nn.Module):
    """The last K normalised embeddings, first in first out (MoCo, He et al. 2020); at the start, random directions."""

    rows: Tensor
    pushed: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    @property
    def full(self) -> bool:
        """Whether every row has been pushed."""
        return int(self.pushed) >= len(self.rows)

    @torch.no_grad()
    def push(self, z_ND: Tensor) -> None:
        """Replace the oldest rows by those of `z_ND`, L2-normalised, of which the last K are kept."""
        skipped = max(0, len(z_ND) - len(self.rows))
        latest = F.normalize(z_ND[skipped:].to(self.rows.dtype), dim=1)
        slots = (self.pushed + skipped + torch.arange(len(latest), device=self.rows.device)) % len(self.rows)
        self.rows = self.rows.index_copy(0, slots, latest)
        self.pushed += len(z_ND)


class Bank(nn.Module):
    """One normalised row for every item of the data set, and whether it was ever written (Wu et al. 2018).

    A row that was never written is a random direction.
    """

    rows: Tensor
    filled: Tensor

    def __init__(self, n_items: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("rows", F.normalize(torch.randn(n_items, dim), dim=1))
        self.register_buffer("filled", torch.zeros(n_items, dtype=torch.bool))

    @torch.no_grad()
    def write(self, index_N: Tensor, z_ND: Tensor, momentum: float = 0.0) -> None:
        """Set row <- normalised(momentum * row + (1 - momentum) * normalised z) for the clips of `index_N`.

        Of a clip that stands twice in `index_N`, either value may win; batches do not hold a clip twice.
        """
        latest = F.normalize(z_ND.to(self.rows.dtype), dim=1)
        mixed = F.normalize(momentum * self.rows[index_N] + (1 - momentum) * latest, dim=1)
        self.rows = self.rows.index_copy(0, index_N, mixed)
        self.filled = self.filled.index_fill(0, index_N, True)

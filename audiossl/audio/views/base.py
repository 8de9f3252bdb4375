"""The contract of an augmentation over a whole batch.

Shapes: B examples, C = 1 channel, F frequency bands, T frames, S samples. A spectrogram batch is (B, 1, F, T), a
waveform batch is (B, S), both float32. With V views of the same N clips, B = V * N and example v * N + n is view v of
clip n.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Draw:
    """Where random parameters come from: a generator made for this (seed, step, rank), and the number of views."""

    generator: torch.Generator
    """On the device of the batch."""
    views: int = 1

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """U(low, high) of `shape` (float32)."""
        return torch.empty(shape, device=self.generator.device).uniform_(low, high, generator=self.generator)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers whose logarithm is uniform between those of `low` and `high`, of `shape` (float32)."""
        return self.uniform(log(low), log(high), *shape).exp_()

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Integers low .. high inclusive, of `shape` (int64)."""
        return torch.randint(low, high + 1, shape, device=self.generator.device, generator=self.generator)

    def up_to(self, high: Tensor) -> Tensor:
        """An integer 0 .. high inclusive for each element of the int64 tensor `high`."""
        uniform = torch.rand(high.shape, device=self.generator.device, generator=self.generator)
        # The product may round up to high + 1 itself.
        return torch.minimum((uniform * (high + 1)).long(), high)

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1) of `shape` (float32)."""
        return torch.randn(shape, device=self.generator.device, generator=self.generator)


def per_example(value_B: Tensor, x: Tensor) -> Tensor:
    """`value_B` with as many trailing dimensions of 1 as broadcast it over the batch `x`."""
    return value_B.view(-1, *[1] * (x.dim() - 1))


class Augmentation(nn.Module, abc.ABC):
    """One augmentation: parameters for the whole batch drawn in one call, then applied without randomness.

    `apply` is what is tested against reference arrays; `forward` is `apply(x, **draw(x, draw))`, kept to the
    examples that a coin of probability `p` chose.
    """

    def __init__(self, p: float = 1.0) -> None:
        super().__init__()
        self.p = p

    @abc.abstractmethod
    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Parameters for every example of `x`, each a tensor whose first dimension is B."""

    @abc.abstractmethod
    def apply(self, x: Tensor, **parameters: Tensor) -> Tensor:  # type: ignore[override]
        """`x` changed by `parameters`, itself left alone: same shape, finite where `x` is finite."""

    def forward(self, x: Tensor, draw: Draw) -> Tensor:
        """`x` augmented, the same shape."""
        changed = self.apply(x, **self.draw(x, draw))
        if self.p >= 1:
            return changed
        chosen = draw.uniform(0, 1, x.shape[0]) < self.p
        return torch.where(per_example(chosen, x), changed, x)

"""What the views of both wings stand on: random numbers, the contract of an augmentation over a whole batch, chains.

Shapes: B examples, C channels, F frequency bands, T frames, S samples, H and W rows and columns of a picture. A
spectrogram batch is (B, 1, F, T), a waveform batch (B, S), a picture batch (B, 3, H, W), all float32. With V views of
the same N examples, B = V * N and row v * N + n is view v of example n.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
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

    Args:
        p: of every view, or one for each view; where there are more views, they begin it anew.
    """

    chances: Tensor

    def __init__(self, p: float | Sequence[float] = 1.0) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("chances", torch.tensor(p).view(-1), persistent=False)
        self._always = bool((self.chances >= 1).all())

    @abc.abstractmethod
    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Parameters for every example of `x`, each a tensor whose first dimension is B."""

    @abc.abstractmethod
    def apply(self, x: Tensor, **parameters: Tensor) -> Tensor:  # type: ignore[override]
        """`x` changed by `parameters`, itself left alone: same shape, finite where `x` is finite."""

    def forward(self, x: Tensor, draw: Draw) -> Tensor:
        """`x` augmented, the same shape."""
        changed = self.apply(x, **self.draw(x, draw))
        if self._always:
            return changed
        return torch.where(per_example(self.chosen(x, draw), x), changed, x)

    def chosen(self, x: Tensor, draw: Draw) -> Tensor:
        """By one coin each, which examples of `x` are changed, (B,)."""
        of_view = self.chances[torch.arange(draw.views, device=self.chances.device) % len(self.chances)]
        return draw.uniform(0, 1, x.shape[0]) < of_view.repeat_interleave(x.shape[0] // draw.views)


class PerExample(Augmentation):
    """An augmentation whose examples know nothing of each other: only the chosen ones are computed."""

    def forward(self, x: Tensor, draw: Draw) -> Tensor:
        """`x` augmented, the same shape where `p` is below 1; the same values as without this shortcut."""
        drawn = self.draw(x, draw)
        if self._always:
            return self.apply(x, **drawn)
        (index,) = torch.where(self.chosen(x, draw))
        if not len(index):
            return x
        chosen = {name: value.index_select(0, index) for name, value in drawn.items()}
        return x.index_copy(0, index, self.apply(x.index_select(0, index), **chosen))


class Chain(nn.Module):
    """Augmentations one after another, without gradients and in float32 whatever the precision around it."""

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        super().__init__()
        self.augmentations = nn.ModuleList(augmentations)

    @torch.no_grad()
    def forward(self, x: Tensor, draw: Draw) -> Tensor:
        """The whole batch `x` augmented, float32."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            for augmentation in self.augmentations:
                x = augmentation(x, draw)
        return x


class Views(nn.Module, abc.ABC):
    """What a recipe's section `views` makes of a batch, in the order in which training asks for it."""

    @abc.abstractmethod
    def before_frontend(self, x_BS: Tensor, draw: Draw) -> Tensor:
        """Examples as the store holds them, augmented, (B, S)."""

    @abc.abstractmethod
    def after_frontend(self, x_BCFT: Tensor, draw: Draw, short: int = 0, share: float = 1.0) -> list[Tensor]:
        """What the front end gives, augmented and normalised, view by view (N, ...).

        Args:
            x_BCFT: every example once for each of `draw.views`.
            draw: the random numbers.
            short: how many of the views, the last ones, are small: the small crops of SwAV.
            share: the length of a small view, or its side, over that of a whole one.
        """

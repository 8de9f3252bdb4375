"""From an embedding back to a picture: the half of a generative method that is thrown away after training.

Shapes: N clips, D size of a vector, U vectors along an axis of each clip, C channels, F frequency bands, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 4
"""The first maps have so many rows, and so many columns where one vector stands for the whole picture."""


class Decoder(nn.Module):
    """Pictures (N, C, F, T) of any size from vectors (N, D), or from vectors along one axis (N, U, D).

    A linear layer makes the first, small maps; every block enlarges both axes about twofold, towards exactly the size
    asked for, and convolves.

    Args:
        dim: D.
        channels: of the maps, the coarsest first; one block each.
        outputs: C.
        along: where `forward` is given several vectors, the axis on which they follow each other: 3, one column of the
            first maps each; or 2, one row each.
    """

    def __init__(self, dim: int, channels: Sequence[int], *, outputs: int = 1, along: int | None = None) -> None:
        super().__init__()
        self.along = along
        self.start = nn.Linear(dim, channels[0] * GRID * (GRID if along is None else 1))
        self.norms = nn.ModuleList(nn.BatchNorm2d(wide) for wide in channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(wide, narrow, 3, padding=1, bias=False) for wide, narrow in pairwise(channels)
        )
        self.convolutions.append(nn.Conv2d(channels[-1], outputs, 3, padding=1))

    def forward(self, z: Tensor, size: Sequence[int]) -> Tensor:
        """Pictures (N, C, F, T).

        Args:
            z: (N, D), or (N, U, D) along an axis.
            size: F and T.
        """
        first: Tensor = self.start(z)
        if self.along is None:
            maps = first.view(len(z), -1, GRID, GRID)
        else:
            maps = first.view(*z.shape[:2], -1, GRID).permute(0, 2, 3, 1)
            maps = maps.mT if self.along == 2 else maps
        for block, (norm, convolution) in enumerate(zip(self.norms, self.convolutions, strict=True), start=1):
            halvings = len(self.norms) - block
            # "nearest" is the enlargement whose backward pass is deterministic on every device.
            maps = F.interpolate(torch.relu(norm(maps)), [-(-axis >> halvings) for axis in size], mode="nearest")
            maps = convolution(maps)
        return maps

"""From an embedding back to a picture: the half of a generative method that is thrown away after training.

Shapes: N clips, D size of a vector, U vectors in time per clip, F frequency bands, T frames.
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
    """Pictures (N, 1, F, T) of any size from vectors (N, D), or from vectors in time (N, U, D).

    A linear layer makes the first, small maps; every block enlarges both axes about twofold, towards exactly the size
    asked for, and convolves.

    Args:
        dim: D.
        channels: of the maps, the coarsest first; one block each.
        in_time: whether `forward` is given vectors in time: one column of the first maps each.
    """

    def __init__(self, dim: int, channels: Sequence[int], *, in_time: bool = False) -> None:
        super().__init__()
        self.in_time = in_time
        self.start = nn.Linear(dim, channels[0] * GRID * (1 if in_time else GRID))
        self.norms = nn.ModuleList(nn.BatchNorm2d(wide) for wide in channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(wide, narrow, 3, padding=1, bias=False) for wide, narrow in pairwise(channels)
        )
        self.convolutions.append(nn.Conv2d(channels[-1], 1, 3, padding=1))

    def forward(self, z: Tensor, size: Sequence[int]) -> Tensor:
        """Pictures (N, 1, F, T).

        Args:
            z: (N, D), or (N, U, D) in time.
            size: F and T.
        """
        first: Tensor = self.start(z)
        if self.in_time:
            maps = first.view(*z.shape[:2], -1, GRID).permute(0, 2, 3, 1)
        else:
            maps = first.view(len(z), -1, GRID, GRID)
        for block, (norm, convolution) in enumerate(zip(self.norms, self.convolutions, strict=True), start=1):
            halvings = len(self.norms) - block
            # "nearest" is the enlargement whose backward pass is deterministic on every device.
            maps = F.interpolate(torch.relu(norm(maps)), [-(-axis >> halvings) for axis in size], mode="nearest")
            maps = convolution(maps)
        return maps

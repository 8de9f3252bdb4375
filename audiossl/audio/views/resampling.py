"""Interpolation at positions of their own for every example, along frequency or along time."""

from __future__ import annotations

import torch
from torch import Tensor


def linear_bands(x_BCFT: Tensor, position_BF: Tensor) -> Tensor:
    """Bands at fractional positions.

    Args:
        x_BCFT: spectrograms, C = 1.
        position_BF: positions within 0 .. F - 1, any number of them.

    Returns:
        (B, 1, positions, T).
    """
    examples, _, bands, frames = x_BCFT.shape
    floor = position_BF.floor()
    low = floor.long()
    first_row = torch.arange(0, examples * bands, bands, device=x_BCFT.device)[:, None]
    # Whole rows are copied, which is several times faster than gathering single values.
    rows = x_BCFT.reshape(-1, frames)
    below = rows.index_select(0, (low + first_row).flatten())
    above = rows.index_select(0, ((low + 1).clamp_max(bands - 1) + first_row).flatten())
    below += above.sub_(below).mul_((position_BF - floor).view(-1, 1))
    return below.view(examples, 1, -1, frames)


def linear_frames(x_BCFT: Tensor, position_BT: Tensor) -> Tensor:
    """Frames at fractional positions.

    Args:
        x_BCFT: spectrograms.
        position_BT: positions within 0 .. T - 1, any number of them.

    Returns:
        (B, C, F, positions).
    """
    floor = position_BT.floor()
    low = floor.long()
    high = (low + 1).clamp_max(x_BCFT.shape[-1] - 1)
    before = frames_at(x_BCFT, low)
    before += frames_at(x_BCFT, high).sub_(before).mul_((position_BT - floor)[:, None, None])
    return before


def frames_at(x_BCFT: Tensor, index_BT: Tensor) -> Tensor:
    """The frames `index_BT` of every example, (B, C, F, indices)."""
    return x_BCFT.gather(-1, index_BT[:, None, None].expand(-1, *x_BCFT.shape[1:3], -1))

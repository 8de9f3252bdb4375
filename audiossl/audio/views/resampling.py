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
    floor = position_BF.floor()
    low = floor.long()
    below = bands_at(x_BCFT, low)
    above = bands_at(x_BCFT, (low + 1).clamp_max(x_BCFT.shape[-2] - 1))
    below += above.sub_(below).mul_((position_BF - floor)[:, None, :, None])
    return below


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


def bands_at(x_BCFT: Tensor, index_BF: Tensor) -> Tensor:
    """The bands `index_BF` of every example, (B, 1, indices, T)."""
    examples, _, bands, frames = x_BCFT.shape
    first_row = torch.arange(0, examples * bands, bands, device=x_BCFT.device)[:, None]
    # Whole rows are copied, which is several times faster than gathering single values.
    rows = x_BCFT.reshape(-1, frames).index_select(0, (index_BF + first_row).flatten())
    return rows.view(examples, 1, -1, frames)


def frames_at(x_BCFT: Tensor, index_BT: Tensor) -> Tensor:
    """The frames `index_BT` of every example, (B, C, F, indices)."""
    return x_BCFT.gather(-1, index_BT[:, None, None].expand(-1, *x_BCFT.shape[1:3], -1))


def cubic_weights(fraction: Tensor) -> Tensor:
    """Weights of the four neighbours at -1, 0, 1, 2 for points `fraction` of the way from 0 to 1; (..., 4).

    Keys' cubic convolution with a = -0.75, the one of `torch.nn.functional.interpolate`.
    """
    distance = (fraction.unsqueeze(-1) - torch.arange(-1, 3, device=fraction.device)).abs_()
    near = (1.25 * distance - 2.25) * distance * distance + 1
    far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
    return torch.where(distance <= 1, near, far)


def cubic_matrix(first_B: Tensor, length_B: Tensor, inputs: int, outputs: int) -> Tensor:
    """The matrices that resize the stretch [first, first + length) of `inputs` values to `outputs` values, bicubic.

    Ends fall on ends (`align_corners=True`), and beyond the stretch its end values are repeated.

    Returns:
        (B, inputs, outputs) float32, to multiply a row of values with.
    """
    step = (length_B - 1) / max(1, outputs - 1)
    position = torch.arange(outputs, device=first_B.device) * step[:, None]
    floor = position.floor()
    last = (length_B - 1)[:, None]
    matrix = torch.zeros(len(first_B), inputs, outputs, device=first_B.device)
    for offset, weight in enumerate(cubic_weights(position - floor).unbind(-1), start=-1):
        index = torch.minimum((floor.long() + offset).clamp_min_(0), last) + first_B[:, None]
        matrix.scatter_add_(1, index[:, None], weight[:, None])
    return matrix

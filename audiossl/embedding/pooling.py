"""Frames over time as rows.

Letters: B windows, U frames, R rows per window, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from audiossl.embedding.options import Pool


def pool_frames(x_BUD: Tensor, pool: Pool) -> Tensor:
    """Rows (B, R, D') of frames (B, U, D).

    - `mean`: the average over time, R = 1, D' = D.
    - `mean+std`: the average, then the deviation of the population (divided by U, 0 for one frame), R = 1, D' = 2 D:
      the statistics pooling of Snyder et al. 2018.
    - `mean+max`: the average, then the largest, side by side, R = 1, D' = 2 D. The sum of both halves is the pooling
      of BYOL-A, which AudioNTT does by itself.
    - `none`: every frame is a row, R = U, D' = D.
    """
    if pool == "none":
        return x_BUD
    parts = [x_BUD.mean(dim=1)]
    if pool == "mean+std":
        parts.append(x_BUD.std(dim=1, correction=0))
    elif pool == "mean+max":
        parts.append(x_BUD.amax(dim=1))
    return torch.cat(parts, dim=1)[:, None]

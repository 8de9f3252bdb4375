"""Random numbers for views, the same every time."""

from __future__ import annotations

import torch

from audiossl.views.base import Draw


def draws(seed: int = 0, views: int = 1) -> Draw:
    return Draw(torch.Generator().manual_seed(seed), views)

"""Convolution with a kernel of its own for every example."""

from __future__ import annotations

import torch
from torch import Tensor

from audiossl.views.base import per_example


def convolved(x: Tensor, kernel_BK: Tensor, dim: int) -> Tensor:
    """`x` convolved along `dim`, each example with its own symmetric kernel.

    Beyond its ends `x` is mirrored without repeating the end value.

    Args:
        x: (B, C, H, W).
        kernel_BK: weights, K odd.
        dim: -2 or -1.
    """
    size, radius = x.shape[dim], kernel_BK.shape[1] // 2
    period = max(1, 2 * (size - 1))
    index = torch.arange(-radius, size + radius, device=x.device) % period
    padded = x.index_select(dim, torch.minimum(index, period - index) if size > 1 else torch.zeros_like(index))
    result = torch.zeros_like(x)
    for tap, weight_B in enumerate(kernel_BK.unbind(1)):
        result.addcmul_(padded.narrow(dim, tap, size), per_example(weight_B, x))
    return result

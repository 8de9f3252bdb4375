"""The boxes of random resized crops, by torchvision's rule (Szegedy et al. 2015)."""

from __future__ import annotations

import torch
from torch import Tensor

from audiossl.views.base import Draw

TRIES = 10
"""Boxes tried per example before the largest that fits the ratio is taken, as torchvision does."""


def draw_boxes(
    draw: Draw, examples: int, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    """A box of random area and aspect for every example.

    Area is uniform in `scale`, the logarithm of the aspect uniform in that of `ratio`; both sides are rounded. Of
    `TRIES` such boxes the first that fits is put at a uniform place. Where none fits, the largest centred box whose
    aspect is within `ratio` is taken.

    Args:
        draw: the random numbers.
        examples: B.
        size: of the whole, along the first axis (bands, rows) and the second (frames, columns).
        scale: least and largest share of the area.
        ratio: least and largest length along the first axis over that along the second.

    Returns:
        (B, 4) int64: start and length along the first axis, start and length along the second.
    """
    device = draw.generator.device
    whole = torch.tensor(size, device=device)
    lengths_BTS = _candidates(draw, examples, whole, scale, ratio)
    fits_BT = ((lengths_BTS > 0) & (lengths_BTS <= whole)).all(-1)
    first_B = fits_BT.byte().argmax(1)
    chosen_BS = lengths_BTS[torch.arange(examples, device=device), first_B]
    any_B1 = fits_BT.any(1, keepdim=True)
    lengths_BS = torch.where(any_B1, chosen_BS, _largest(*size, *ratio).to(device))
    starts_BS = torch.where(any_B1, draw.up_to(whole - lengths_BS), (whole - lengths_BS) // 2)
    return torch.stack((starts_BS, lengths_BS), dim=2).flatten(1)


def _candidates(
    draw: Draw, examples: int, whole: Tensor, scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    area = draw.uniform(*scale, examples, TRIES) * whole.prod()
    aspect = draw.log_uniform(*ratio, examples, TRIES)
    return torch.stack((area * aspect, area / aspect), dim=-1).sqrt_().round_().long()


def _largest(first: int, second: int, low: float, high: float) -> Tensor:
    """Lengths of the largest box whose aspect is from `low` to `high`."""
    if first < low * second:
        second = max(1, round(first / low))
    elif first > high * second:
        first = max(1, round(second * high))
    return torch.tensor((first, second))

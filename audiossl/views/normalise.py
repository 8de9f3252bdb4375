"""Normalisation by the training data's statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from audiossl.views.base import Augmentation, Draw


class Normalise(Augmentation):
    """(x - mean) / std by numbers measured on the training data, one of each or one per channel; held as buffers."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", _over_channels(mean))
        self.register_buffer("std", _over_channels(std))

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def apply(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """`(x - mean) / std`."""
        return (x - self.mean).div_(self.std)


def _over_channels(values: float | Sequence[float]) -> Tensor:
    """A number as it is, () float32; one per channel as (C, 1, 1)."""
    tensor = torch.tensor(values, dtype=torch.float32)
    return tensor[:, None, None] if tensor.dim() else tensor

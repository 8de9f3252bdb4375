"""Normalisation by the statistics of the batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.spectrogram_views import BatchNormaliseConfig
from audiossl.views.base import Augmentation, Draw


class BatchNormalise(Augmentation):
    """The whole batch of all views standardised per channel, the deviation unbiased and at least `eps` (BYOL-A)."""

    def __init__(self, config: BatchNormaliseConfig) -> None:
        super().__init__()
        self.eps = config.eps

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def apply(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Mean 0 and deviation 1 over (B, F, T)."""
        values = x.numel() // x.shape[1]
        std, mean = torch.std_mean(x, dim=(0, 2, 3), keepdim=True, correction=min(1, values - 1))
        return (x - mean).div_(std.clamp_min(self.eps))

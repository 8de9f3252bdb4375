"""Gaussian blur of the spectrogram."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.spectrogram_views import BlurConfig
from audiossl.views.base import Augmentation, Draw
from audiossl.views.convolution import convolved


class Blur(Augmentation):
    """Separable Gaussian blur with odd kernel sizes drawn apart for frequency and time (Fonseca et al. 2021)."""

    def __init__(self, config: BlurConfig) -> None:
        super().__init__(config.p)
        self.radius, self.sigma = (config.max_size - 1) // 2, config.sigma

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`radius` (B, 2) int64 along frequency and time: kernels are 2 * radius + 1 long."""
        return {"radius": draw.integers(0, self.radius, x.shape[0], 2)}

    def apply(self, x: Tensor, radius: Tensor) -> Tensor:  # type: ignore[override]
        """`x` blurred; beyond its ends it is mirrored without repeating the end (cv2's `BORDER_REFLECT_101`)."""
        along_F, along_T = self._kernels(radius).unbind(1)
        return convolved(convolved(x, along_F, -2), along_T, -1)

    def _kernels(self, radius: Tensor) -> Tensor:
        """Weights around the centre, zero outside each kernel's own size; (B, 2, 2 * largest radius + 1)."""
        offset = torch.arange(-self.radius, self.radius + 1, device=radius.device)
        radius = radius.unsqueeze(-1)
        sigma = torch.full_like(radius, self.sigma, dtype=torch.float32) if self.sigma else 0.3 * (radius - 1) + 0.8
        weight = (-0.5 * (offset / sigma) ** 2).exp_() * (offset.abs() <= radius)
        return weight / weight.sum(-1, keepdim=True)

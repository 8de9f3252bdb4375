"""Gaussian blur of pictures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.image_views import BlurConfig
from audiossl.views.base import Draw, PerExample
from audiossl.views.convolution import convolved


class Blur(PerExample):
    """Separable Gaussian blur by a deviation of its own for every picture (SimCLR, Chen et al. 2020)."""

    def __init__(self, config: BlurConfig) -> None:
        super().__init__(config.p)
        self.kernel, self.sigma = config.kernel, config.sigma

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`sigma` (B,) in pixels."""
        return {"sigma": draw.uniform(*self.sigma, x.shape[0])}

    def apply(self, x: Tensor, sigma: Tensor) -> Tensor:  # type: ignore[override]
        """`x` blurred; beyond its ends it is mirrored without repeating the end."""
        kernel_BK = self._kernels(sigma, self.radius(min(x.shape[-2:])))
        return convolved(convolved(x, kernel_BK, -2), kernel_BK, -1)

    def radius(self, side: int) -> int:
        """Pixels on either side of a kernel's middle: half of `kernel * side` rounded down, at least 1, as SimCLR."""
        return max(1, int(self.kernel * side) // 2)

    def _kernels(self, sigma_B: Tensor, radius: int) -> Tensor:
        offset = torch.arange(-radius, radius + 1, device=sigma_B.device)
        return (-0.5 * (offset / sigma_B[:, None]) ** 2).softmax(dim=1)

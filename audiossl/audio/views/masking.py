"""SpecAugment's masks over bands of frequency and stretches of time."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import torch
from torch import Tensor

from audiossl.recipe.spectrogram_views import SpecAugmentConfig
from audiossl.views.base import Augmentation, Draw

WHOLE = (1, 2, 3)


class SpecAugment(Augmentation):
    """Frequency masks, then time masks (Park et al. 2019; widths, order and fills of Fonseca et al. 2021)."""

    def __init__(self, config: SpecAugmentConfig) -> None:
        super().__init__(config.p)
        self.fill, self.low_bands = config.fill, config.low_bands
        self.counts = (config.frequency_masks, config.time_masks)
        self.widths = (config.frequency_width, config.time_width)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`bands` and `frames`, (B, masks, 2) int64: first index and width; for noise fills also `noise`, N(0, 1)."""
        lowest = (ceil(self.low_bands * x.shape[-2]) - 1, x.shape[-1])
        bands, frames = (
            self._spans(x, draw, count, size, width, last)
            for count, size, width, last in zip(self.counts, x.shape[-2:], self.widths, lowest, strict=True)
        )
        masks = {"bands": bands, "frames": frames}
        return masks | {"noise": draw.normal(*x.shape)} if self.fill == "noise" else masks

    def apply(  # type: ignore[override]
        self, x: Tensor, bands: Tensor, frames: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """`x` with the masks filled, each from the example as the masks before it left it."""
        bands_BMF1 = _masks(bands, x.shape[-2]).unsqueeze(-1)
        frames_BM1T = _masks(frames, x.shape[-1]).unsqueeze(-2)
        if self.fill in ("mean", "noise"):
            for mask in (*bands_BMF1.unbind(1), *frames_BM1T.unbind(1)):
                x = torch.where(mask[:, None], self._value(x, noise), x)
            return x
        # Laying a mask does not change these fills, so all masks can be laid at once.
        mask = bands_BMF1.any(1, keepdim=True) | frames_BM1T.any(1, keepdim=True)
        return torch.where(mask, self._value(x, noise), x)

    def _value(self, x: Tensor, noise: Tensor | None) -> Tensor:
        if self.fill == "min":
            return x.amin(WHOLE, keepdim=True)
        if self.fill == "max":
            return x.amax(WHOLE, keepdim=True)
        if self.fill == "mean":
            return x.mean(WHOLE, keepdim=True)
        if noise is not None:
            std, mean = torch.std_mean(x, WHOLE, keepdim=True, correction=0)
            return torch.addcmul(mean, std, noise)
        return x.new_zeros(1)

    @staticmethod
    def _spans(x: Tensor, draw: Draw, count: int, size: int, width: int, last: int) -> Tensor:
        widths = draw.integers(0, min(width - 1, size), x.shape[0], count)
        starts = draw.up_to((size - widths).clamp_max(last))
        return torch.stack((starts, widths), dim=-1)


def _masks(span_BM2: Tensor, size: int) -> Tensor:
    """True inside each span of (first index, width), (B, masks, size)."""
    start, width = span_BM2.unsqueeze(-1).unbind(2)
    index = torch.arange(size, device=span_BM2.device)
    return (index >= start) & (index < start + width)

"""Shifts of the waveform in time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.waveform_views import CircularShiftConfig, CropShiftConfig
from audiossl.views.base import Augmentation, Draw


class CircularShift(Augmentation):
    """A shift either way; what leaves at one end enters at the other."""

    def __init__(self, config: CircularShiftConfig) -> None:
        super().__init__(config.p)
        self.max_share = config.max_share

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`shift` (B,) in samples, later where positive."""
        return {"shift": _shifts(x, draw, self.max_share)}

    def apply(self, x: Tensor, shift: Tensor) -> Tensor:  # type: ignore[override]
        """Sample t of the result is sample t - shift of `x`."""
        return x.gather(1, _sources(x, shift) % x.shape[1])


class CropShift(Augmentation):
    """A shift either way; the gap is silent."""

    def __init__(self, config: CropShiftConfig) -> None:
        super().__init__(config.p)
        self.max_share = config.max_share

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`shift` (B,) in samples, later where positive."""
        return {"shift": _shifts(x, draw, self.max_share)}

    def apply(self, x: Tensor, shift: Tensor) -> Tensor:  # type: ignore[override]
        """Sample t of the result is sample t - shift of `x`, and 0 where there is none."""
        source = _sources(x, shift)
        inside = (source >= 0) & (source < x.shape[1])
        return x.gather(1, source.clamp_(0, x.shape[1] - 1)) * inside


def _shifts(x: Tensor, draw: Draw, max_share: float) -> Tensor:
    reach = int(max_share * x.shape[1])
    return draw.integers(-reach, reach, x.shape[0])


def _sources(x: Tensor, shift_B: Tensor) -> Tensor:
    return torch.arange(x.shape[1], device=x.device) - shift_B[:, None]

"""Movements along time and frequency: circular shifts, reversal, time warping."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.audio.views.resampling import bands_at, frames_at, linear_frames
from audiossl.recipe.spectrogram_views import (
    FrequencyShiftConfig,
    TimeReversalConfig,
    TimeShiftConfig,
    TimeWarpConfig,
)
from audiossl.views.base import Augmentation, Draw
from audiossl.views.flip import Flip


class TimeShift(Augmentation):
    """Circular shift forward in time (Fonseca et al. 2021)."""

    def __init__(self, config: TimeShiftConfig) -> None:
        super().__init__(config.p)
        self.max_frames = config.max_frames

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`shift` (B,) in frames."""
        return {"shift": draw.integers(1, self.max_frames, x.shape[0])}

    def apply(self, x: Tensor, shift: Tensor) -> Tensor:  # type: ignore[override]
        """Frame t of the result is frame t - shift of `x`."""
        frames = x.shape[-1]
        return frames_at(x, (torch.arange(frames, device=x.device) - shift[:, None]) % frames)


class FrequencyShift(Augmentation):
    """Circular shift upward in frequency (Fonseca et al. 2021)."""

    def __init__(self, config: FrequencyShiftConfig) -> None:
        super().__init__(config.p)
        self.max_bands = config.max_bands

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`shift` (B,) in bands."""
        return {"shift": draw.integers(1, self.max_bands, x.shape[0])}

    def apply(self, x: Tensor, shift: Tensor) -> Tensor:  # type: ignore[override]
        """Band f of the result is band f - shift of `x`."""
        bands = x.shape[-2]
        return bands_at(x, (torch.arange(bands, device=x.device) - shift[:, None]) % bands)


class TimeReversal(Flip):
    """Time backwards (Fonseca et al. 2021)."""

    axis = -1

    def __init__(self, config: TimeReversalConfig) -> None:
        super().__init__(config.p)


class TimeWarp(Augmentation):
    """One point moved in time, the ends held, and everything between stretched evenly (Park et al. 2019)."""

    def __init__(self, config: TimeWarpConfig) -> None:
        super().__init__(config.p)
        self.max_frames = config.max_frames

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`point` (B,) and where it goes, `target` (B,), in frames; a move is at most 0.9 of the way to an end."""
        end = x.shape[-1] - 1
        reach = min(self.max_frames, 0.45 * end)
        point = draw.uniform(reach / 0.9, end - reach / 0.9, x.shape[0])
        return {"point": point, "target": point + draw.uniform(-reach, reach, x.shape[0])}

    def apply(self, x: Tensor, point: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        """Frame `target` of the result is frame `point` of `x`; bilinear between frames."""
        end = max(1, x.shape[-1] - 1)
        frame = torch.arange(x.shape[-1], device=x.device)
        point, target = point[:, None], target[:, None]
        before = frame * (point / target.clamp_min(torch.finfo(x.dtype).eps))
        after = end - (end - frame) * ((end - point) / (end - target))
        return linear_frames(x, torch.where(frame < target, before, after).clamp_(0, x.shape[-1] - 1))

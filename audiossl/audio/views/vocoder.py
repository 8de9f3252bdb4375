"""Pitch shift and time stretch by a phase vocoder with its own rate for every example."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2

import torch
from torch import Tensor

from audiossl.audio.views.resampling import cubic_weights
from audiossl.recipe.waveform_views import PitchShiftConfig, TimeStretchConfig
from audiossl.views.base import Augmentation, Draw

WINDOW_S = 0.064
"""About the length of the analysis window: long enough to part the partials of a voice."""
OVERLAP = 4


class TimeStretch(Augmentation):
    """Faster or slower at the same pitch; a faster crop is repeated and a slower one cut to the same length."""

    def __init__(self, config: TimeStretchConfig, sample_rate: int) -> None:
        super().__init__(config.p)
        self.rate, self.window = config.rate, window_length(sample_rate)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`rate` (B,), log-uniform; above 1 is faster."""
        return {"rate": draw.log_uniform(*self.rate, x.shape[0])}

    def apply(self, x: Tensor, rate: Tensor) -> Tensor:  # type: ignore[override]
        """What happens in `x` at t happens at t / rate."""
        return stretched(x, rate, x.shape[1], self.window)


class PitchShift(Augmentation):
    """Every frequency times 2 ** (semitones / 12), nothing moved in time."""

    def __init__(self, config: PitchShiftConfig, sample_rate: int) -> None:
        super().__init__(config.p)
        self.semitones, self.window = config.semitones, window_length(sample_rate)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`semitones` (B,)."""
        return {"semitones": draw.uniform(*self.semitones, x.shape[0])}

    def apply(self, x: Tensor, semitones: Tensor) -> Tensor:  # type: ignore[override]
        """`x` stretched in time and then played faster by the same factor (cubic interpolation)."""
        factor = 2 ** (semitones / 12)
        longest = ceil(x.shape[1] * 2 ** (max(self.semitones) / 12)) + 3
        slow = stretched(x, 1 / factor, longest, self.window, band=1 / factor)
        position = torch.arange(x.shape[1], device=x.device) * factor[:, None]
        floor = position.floor()
        weights = cubic_weights(position - floor).unbind(-1)
        result = torch.zeros_like(x)
        for offset, weight in enumerate(weights, start=-1):
            result.addcmul_(slow.gather(1, (floor.long() + offset).clamp_(0, longest - 1)), weight)
        return result


def window_length(sample_rate: int) -> int:
    """The power of two samples nearest to `WINDOW_S`."""
    return int(2 ** round(log2(WINDOW_S * sample_rate)))


def stretched(x_BS: Tensor, rate_B: Tensor, length: int, window: int, band: Tensor | None = None) -> Tensor:
    """`x` at `rate` times its speed and the same pitch, repeated as often as `length` samples need.

    Magnitudes are interpolated between the analysis frames; every bin's phase advances by what it advanced there
    (Flanagan and Golden 1966).

    Args:
        x_BS: waveforms.
        rate_B: speeds; 2 is twice as fast.
        length: samples of the result.
        window: samples of the analysis window.
        band: share of the spectrum kept, (B,), against aliasing when the result is played faster.

    Returns:
        (B, length).
    """
    hop, shape = window // OVERLAP, torch.hann_window(window, device=x_BS.device)
    frames_BKT = torch.stft(x_BS, window, hop, window=shape, pad_mode="constant", return_complex=True)
    last = max(1, frames_BKT.shape[2] - 1)
    position = (torch.arange(1 + ceil(length / hop), device=x_BS.device) * rate_B[:, None]) % last
    floor = position.floor()
    before = floor.long().clamp_(0, frames_BKT.shape[2] - 1)
    after = (before + 1).clamp_max_(frames_BKT.shape[2] - 1)
    earlier, later = _at(frames_BKT, before), _at(frames_BKT, after)
    magnitude = torch.lerp(earlier.abs(), later.abs(), (position - floor)[:, None])
    if band is not None:
        bins = torch.arange(frames_BKT.shape[1], device=x_BS.device)
        magnitude *= (bins <= band[:, None] * (window // 2)).unsqueeze(-1)
    advance = (later * earlier.conj()).angle()
    phase = torch.cat((frames_BKT[:, :, :1].angle(), advance[:, :, :-1]), dim=2).cumsum(dim=2)
    return torch.istft(torch.polar(magnitude, phase), window, hop, window=shape, length=length)


def _at(frames_BKT: Tensor, index_BM: Tensor) -> Tensor:
    return frames_BKT.gather(2, index_BM[:, None].expand(-1, frames_BKT.shape[1], -1))

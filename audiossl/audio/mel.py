"""Mel filter banks in float64, equal to librosa's and torchaudio's without importing either.

Promise: `filter_bank` gives the triangles of `librosa.filters.mel` (Slaney's Auditory Toolbox, or HTK) to rounding.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

MelScale = Literal["slaney", "htk"]
Floats = NDArray[np.float64]

# Slaney: linear up to 1 kHz (3 mels per 200 Hz), then 27 logarithmic steps per factor 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: Floats, scale: MelScale) -> Floats:
    """Frequencies in Hz to mels on the `slaney` or `htk` scale, any shape."""
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: Floats, scale: MelScale) -> Floats:
    """The inverse of `hz_to_mel`."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    above = _BREAK_HZ * np.exp(_LOG_STEP * np.maximum(mel - _BREAK_MEL, 0.0))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


def filter_bank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    scale: MelScale,
    norm: Literal["slaney", "none"],
) -> Floats:
    """Triangular filters (n_mels, 1 + n_fft // 2) whose corners are equally spaced in mels from `f_min` to `f_max` Hz.

    With `norm="none"` every triangle would reach height 1 between the bins; with `norm="slaney"` its area in Hz is 1.
    """
    bins_K = np.arange(1 + n_fft // 2) * (sample_rate / n_fft)
    ends = hz_to_mel(np.array([f_min, f_max]), scale)
    corners = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2), scale)
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    triangles = np.maximum(0.0, np.minimum((bins_K - low) / (centre - low), (high - bins_K) / (high - centre)))
    return np.asarray(triangles * (2.0 / (high - low)) if norm == "slaney" else triangles)

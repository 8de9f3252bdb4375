"""Low-, high- and band-pass filters with the magnitude of a Butterworth filter and no phase shift."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.audio.views.fourier import fast_length
from audiossl.recipe.waveform_views import BandPassConfig, HighPassConfig, LowPassConfig
from audiossl.views.base import Augmentation, Draw

MARGIN = 0.125
"""Silence appended for the transform, as a share of the crop, so that the end does not ring into the beginning."""


class LowPass(Augmentation):
    """Attenuation above a drawn cut-off."""

    def __init__(self, config: LowPassConfig, sample_rate: int) -> None:
        super().__init__(config.p)
        self.cutoff_hz, self.order, self.sample_rate = config.cutoff_hz, config.order, sample_rate

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`cutoff_hz` (B,)."""
        return {"cutoff_hz": draw.log_uniform(*self.cutoff_hz, x.shape[0])}

    def apply(self, x: Tensor, cutoff_hz: Tensor) -> Tensor:  # type: ignore[override]
        """`x` with gain `1 / sqrt(1 + (f / cutoff) ** (2 order))`."""
        return filtered(x, self.sample_rate, self.order, below_hz=cutoff_hz)


class HighPass(Augmentation):
    """Attenuation below a drawn cut-off."""

    def __init__(self, config: HighPassConfig, sample_rate: int) -> None:
        super().__init__(config.p)
        self.cutoff_hz, self.order, self.sample_rate = config.cutoff_hz, config.order, sample_rate

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`cutoff_hz` (B,)."""
        return {"cutoff_hz": draw.log_uniform(*self.cutoff_hz, x.shape[0])}

    def apply(self, x: Tensor, cutoff_hz: Tensor) -> Tensor:  # type: ignore[override]
        """`x` with gain `1 / sqrt(1 + (cutoff / f) ** (2 order))`."""
        return filtered(x, self.sample_rate, self.order, above_hz=cutoff_hz)


class BandPass(Augmentation):
    """Attenuation outside a band of drawn centre and width."""

    def __init__(self, config: BandPassConfig, sample_rate: int) -> None:
        super().__init__(config.p)
        self.centre_hz, self.octaves = config.centre_hz, config.octaves
        self.order, self.sample_rate = config.order, sample_rate

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`centre_hz` (B,) and `octaves` (B,) between the two cut-offs."""
        return {
            "centre_hz": draw.log_uniform(*self.centre_hz, x.shape[0]),
            "octaves": draw.uniform(*self.octaves, x.shape[0]),
        }

    def apply(self, x: Tensor, centre_hz: Tensor, octaves: Tensor) -> Tensor:  # type: ignore[override]
        """`x` high-passed half the octaves below the centre and low-passed half of them above it."""
        half = 2 ** (octaves / 2)
        return filtered(x, self.sample_rate, self.order, above_hz=centre_hz / half, below_hz=centre_hz * half)


def filtered(
    x_BS: Tensor, sample_rate: int, order: int, *, above_hz: Tensor | None = None, below_hz: Tensor | None = None
) -> Tensor:
    """`x` with what lies above `above_hz` (B,) and below `below_hz` (B,) kept, Butterworth magnitudes of `order`."""
    samples = x_BS.shape[1]
    length = fast_length(samples + int(MARGIN * samples))
    spectrum = torch.fft.rfft(x_BS, n=length)
    frequency = torch.arange(spectrum.shape[1], device=x_BS.device) * (sample_rate / length)
    if below_hz is not None:
        spectrum *= (frequency / below_hz[:, None]).pow_(2 * order).add_(1).rsqrt_()
    if above_hz is not None:
        # The constant part is divided by zero into an infinite ratio, whose gain is zero as it should be.
        spectrum *= (above_hz[:, None] / frequency).pow_(2 * order).add_(1).rsqrt_()
    filtered_BS: Tensor = torch.fft.irfft(spectrum, n=length)[:, :samples]
    return filtered_BS

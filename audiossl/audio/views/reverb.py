"""Reverberation by synthetic rooms."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import torch
from torch import Tensor

from audiossl.audio.views.fourier import fast_length
from audiossl.recipe.waveform_views import ReverbConfig
from audiossl.views.base import Augmentation, Draw


class Reverb(Augmentation):
    """Convolution with exponentially decaying noise, mixed with the dry sound; the energy is kept."""

    def __init__(self, config: ReverbConfig, sample_rate: int) -> None:
        super().__init__(config.p)
        self.rt60_s, self.wet, self.sample_rate = config.rt60_s, config.wet, sample_rate

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`noise` (B, L), N(0, 1), as long as the longest room; `rt60_s` (B,), log-uniform; `wet` (B,)."""
        length = max(1, min(x.shape[1], round(self.rt60_s[1] * self.sample_rate)))
        return {
            "noise": draw.normal(x.shape[0], length),
            "rt60_s": draw.log_uniform(*self.rt60_s, x.shape[0]),
            "wet": draw.uniform(*self.wet, x.shape[0]),
        }

    def apply(self, x: Tensor, noise: Tensor, rt60_s: Tensor, wet: Tensor) -> Tensor:  # type: ignore[override]
        """`(1 - wet) x + wet (x * room)`, scaled to the energy of `x`."""
        room = self.room(noise, rt60_s)
        length = fast_length(x.shape[1] + room.shape[1])
        reverberated = torch.fft.irfft(torch.fft.rfft(x, n=length).mul_(torch.fft.rfft(room, n=length)), n=length)[
            :, : x.shape[1]
        ]
        mixed = torch.lerp(x, reverberated, wet[:, None])
        before, after = (torch.linalg.vector_norm(wave, dim=1, keepdim=True) for wave in (x, mixed))
        return mixed.mul_(torch.where(after > 0, before / after, 0))

    def room(self, noise_BL: Tensor, rt60_s_B: Tensor) -> Tensor:
        """Impulse responses of energy 1 that fall by 60 dB within `rt60_s`."""
        second = torch.arange(noise_BL.shape[1], device=noise_BL.device) / self.sample_rate
        response = noise_BL * torch.exp(-3 * log(10) * second / rt60_s_B[:, None])
        return torch.nn.functional.normalize(response, dim=1)

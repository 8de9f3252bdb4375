"""Sounds added to a waveform at a signal-to-noise ratio: other clips, white noise, coloured noise."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.audio.views.fourier import fast_length
from audiossl.audio.views.partners import draw_partners
from audiossl.recipe.waveform_views import ColouredNoiseConfig, MixAtSnrConfig, WhiteNoiseConfig
from audiossl.views.base import Augmentation, Draw


def at_snr(x_BS: Tensor, noise_BS: Tensor, snr_db_B: Tensor) -> Tensor:
    """`x` plus the noise scaled to `snr_db` below it in energy; `x` itself where either is silent."""
    # Norms rather than energies: their ratio neither overflows nor underflows.
    signal, noise = (torch.linalg.vector_norm(wave, dim=1) for wave in (x_BS, noise_BS))
    scale = torch.where(noise > 0, signal / noise, 0) * 10 ** (-snr_db_B / 20)
    return torch.addcmul(x_BS, noise_BS, scale[:, None])


class MixAtSnr(Augmentation):
    """Another clip of the batch added at a drawn signal-to-noise ratio."""

    def __init__(self, config: MixAtSnrConfig) -> None:
        super().__init__(config.p)
        self.snr_db = config.snr_db

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`partner` (B,) indices into the batch and `snr_db` (B,)."""
        partner = draw_partners(x.shape[0], draw, "mix_at_snr")
        return {"partner": partner, "snr_db": draw.uniform(*self.snr_db, x.shape[0])}

    def apply(self, x: Tensor, partner: Tensor, snr_db: Tensor) -> Tensor:  # type: ignore[override]
        """`x` plus `x[partner]` at `snr_db`."""
        return at_snr(x, x.index_select(0, partner), snr_db)


class WhiteNoise(Augmentation):
    """White Gaussian noise at a drawn signal-to-noise ratio."""

    def __init__(self, config: WhiteNoiseConfig) -> None:
        super().__init__(config.p)
        self.snr_db = config.snr_db

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`noise`, N(0, 1) of the batch's shape, and `snr_db` (B,)."""
        return {"noise": draw.normal(*x.shape), "snr_db": draw.uniform(*self.snr_db, x.shape[0])}

    def apply(self, x: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:  # type: ignore[override]
        """`x` plus `noise` at `snr_db`."""
        return at_snr(x, noise, snr_db)


class ColouredNoise(Augmentation):
    """Noise whose power falls as frequency ** -exponent, the exponent and the signal-to-noise ratio drawn."""

    def __init__(self, config: ColouredNoiseConfig) -> None:
        super().__init__(config.p)
        self.snr_db, self.exponent = config.snr_db, config.exponent

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`noise`, N(0, 1) of the batch's shape, `exponent` (B,) and `snr_db` (B,)."""
        return {
            "noise": draw.normal(*x.shape),
            "exponent": draw.uniform(*self.exponent, x.shape[0]),
            "snr_db": draw.uniform(*self.snr_db, x.shape[0]),
        }

    def apply(self, x: Tensor, noise: Tensor, exponent: Tensor, snr_db: Tensor) -> Tensor:  # type: ignore[override]
        """`x` plus `noise`, coloured by `exponent`, at `snr_db`."""
        return at_snr(x, coloured(noise, exponent), snr_db)


def coloured(noise_BS: Tensor, exponent_B: Tensor) -> Tensor:
    """White noise turned into noise of power frequency ** -exponent and no constant part."""
    length = fast_length(noise_BS.shape[1])
    spectrum = torch.fft.rfft(noise_BS, n=length)
    frequency = torch.linspace(0, 1, spectrum.shape[1], device=noise_BS.device)
    shape = frequency[1:] ** (-0.5 * exponent_B[:, None])
    spectrum[:, 0] = 0
    spectrum[:, 1:] *= shape
    coloured_BS: Tensor = torch.fft.irfft(spectrum, n=length)[:, : noise_BS.shape[1]]
    return coloured_BS

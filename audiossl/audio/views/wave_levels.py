"""Changes of a waveform's level: gain, polarity, fades, clipping."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi

import torch
from torch import Tensor

from audiossl.recipe.waveform_views import ClippingConfig, FadeConfig, GainConfig, PolarityConfig
from audiossl.views.base import Augmentation, Draw


class Gain(Augmentation):
    """The waveform times a gain drawn in dB."""

    def __init__(self, config: GainConfig) -> None:
        super().__init__(config.p)
        self.gain_db = config.gain_db

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`gain_db` (B,)."""
        return {"gain_db": draw.uniform(*self.gain_db, x.shape[0])}

    def apply(self, x: Tensor, gain_db: Tensor) -> Tensor:  # type: ignore[override]
        """`x` times `10 ** (gain_db / 20)`."""
        return x * (10 ** (gain_db / 20))[:, None]


class Polarity(Augmentation):
    """The waveform upside down."""

    def __init__(self, config: PolarityConfig) -> None:
        super().__init__(config.p)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def apply(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """`-x`."""
        return -x


class Fade(Augmentation):
    """A fade in and a fade out, linear or half a cosine."""

    def __init__(self, config: FadeConfig) -> None:
        super().__init__(config.p)
        self.max_share, self.shape = config.max_share, config.shape

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`share` (B, 2): lengths of the fade in and the fade out as shares of the crop."""
        return {"share": draw.uniform(0, self.max_share, x.shape[0], 2)}

    def apply(self, x: Tensor, share: Tensor) -> Tensor:  # type: ignore[override]
        """`x` silent at its first and last sample and whole between the fades."""
        fade_in, fade_out = (share * x.shape[1]).clamp_min(1).unsqueeze(-1).unbind(1)
        sample = torch.arange(x.shape[1], device=x.device)
        return x * self._ramp(sample / fade_in) * self._ramp(sample.flip(0) / fade_out)

    def _ramp(self, progress: Tensor) -> Tensor:
        ramp = progress.clamp_max_(1)
        return ramp if self.shape == "linear" else ramp.mul_(-pi).cos_().mul_(-0.5).add_(0.5)


class Clipping(Augmentation):
    """Hard clipping at a share of the largest magnitude."""

    def __init__(self, config: ClippingConfig) -> None:
        super().__init__(config.p)
        self.threshold = config.threshold

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`threshold` (B,), a share of the largest magnitude."""
        return {"threshold": draw.uniform(*self.threshold, x.shape[0])}

    def apply(self, x: Tensor, threshold: Tensor) -> Tensor:  # type: ignore[override]
        """`x` within plus and minus `threshold` times its largest magnitude."""
        limit = threshold[:, None] * x.abs().amax(1, keepdim=True)
        return x.clamp(-limit, limit)

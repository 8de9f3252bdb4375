"""Changes of level: a factor or an offset per example, and noise, in the log-mel spectrogram."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.spectrogram_views import CompressionConfig, GaussianNoiseConfig, LinearFaderConfig
from audiossl.views.base import Augmentation, Draw, per_example


class Compression(Augmentation):
    """The log-mel times one factor per example (Fonseca et al. 2021)."""

    def __init__(self, config: CompressionConfig) -> None:
        super().__init__(config.p)
        self.low, self.high = sorted((config.alpha, 1.0))

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`factor` (B,)."""
        return {"factor": draw.uniform(self.low, self.high, x.shape[0])}

    def apply(self, x: Tensor, factor: Tensor) -> Tensor:  # type: ignore[override]
        """`factor * x`."""
        return x * per_example(factor, x)


class GaussianNoise(Augmentation):
    """White noise added to the log-mel, with its own deviation per example (Fonseca et al. 2021)."""

    def __init__(self, config: GaussianNoiseConfig) -> None:
        super().__init__(config.p)
        self.std = config.std

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`std` (B,) and `noise`, N(0, 1) of the batch's shape."""
        return {"std": draw.uniform(0, self.std, x.shape[0]), "noise": draw.normal(*x.shape)}

    def apply(self, x: Tensor, std: Tensor, noise: Tensor) -> Tensor:  # type: ignore[override]
        """`x + std * noise`."""
        return torch.addcmul(x, noise, per_example(std, x))


class LinearFader(Augmentation):
    """A straight line over time added to every band (BYOL-A v2, Niizumi et al. 2023)."""

    def __init__(self, config: LinearFaderConfig) -> None:
        super().__init__(config.p)
        self.gain = config.gain

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`ends` (B, 2): what is added at the first and at the last frame."""
        return {"ends": draw.uniform(-self.gain, self.gain, x.shape[0], 2)}

    def apply(self, x: Tensor, ends: Tensor) -> Tensor:  # type: ignore[override]
        """`x` plus the line from `ends[:, 0]` to `ends[:, 1]`."""
        head, tail = ends.view(-1, 2, 1, 1, 1).unbind(1)
        return x + torch.lerp(head, tail, torch.linspace(0, 1, x.shape[-1], device=x.device))

"""Mixing with other clips in the power domain: mix-back."""

from __future__ import annotations

from collections.abc import Mapping
from math import e, log2
from typing import Literal

import torch
from torch import Tensor

from audiossl.audio.views.partners import draw_partners
from audiossl.recipe.spectrogram_views import MixBackConfig
from audiossl.views.base import Augmentation, Draw, per_example

Log = Literal["ln", "log10", "db"]
"""The logarithm a spectrogram is in; `db` is 10 log10 of the power."""

OCTAVES: dict[Log, float] = {"ln": log2(e), "log10": log2(10), "db": log2(10) / 10}
"""log2 of the power that one unit of the spectrogram stands for."""


class MixBack(Augmentation):
    """Another clip as background at a small share of the energy (Fonseca et al. 2021, Eq. 1).

    With powers P and B of example and background, E their sums over the spectrogram and a the background's share:
    `log((1 - a) P + a E(P) / E(B) B)`.
    """

    def __init__(self, config: MixBackConfig, log: Log) -> None:
        super().__init__(config.p)
        self.alpha, self.shared, self.octaves = config.alpha, config.shared, OCTAVES[log]

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`partner` (B,) indices of the backgrounds and `alpha` (B,) their shares."""
        examples = x.shape[0]
        partner = draw_partners(examples, draw, "mix_back")
        repeats = draw.views if self.shared else 1
        return {"partner": partner, "alpha": draw.uniform(0, self.alpha, examples // repeats).repeat(repeats)}

    def apply(self, x: Tensor, partner: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        """`x` with `x[partner]` behind it; powers are taken relative to each example's peak, so none overflows."""
        peak = x.amax(dim=(1, 2, 3), keepdim=True)
        power = torch.sub(x, peak).mul_(self.octaves).exp2_()
        energy = power.sum(dim=(1, 2, 3))
        # In units of the foreground's peak the background's own peak cancels: only the ratio of relative sums is left.
        weight = alpha * energy / energy[partner]
        mixed = power.index_select(0, partner).mul_(per_example(weight, x))
        mixed.addcmul_(power, per_example(1 - alpha, x)).clamp_min_(torch.finfo(x.dtype).tiny)
        return torch.add(peak, mixed.log2_(), alpha=1 / self.octaves)

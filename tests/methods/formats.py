"""The world of vectors with a second format: each clip also sounds, as partials whose loudness is what it is.

The waveform has phases and noise that every view draws anew, and nothing of the vector's loud nuisance, nor the other
way round: the two formats have only the clip in common.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from audiossl.methods.base import ViewPlan
from tests.methods.toy import WORLDS, World

SAMPLES, FILTERS = 256, 32


class Ear(nn.Module):
    """From waveforms (n, 1, 1, SAMPLES) to (n, 32): filters, their loudness, an MLP."""

    embedding_dim = 32

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv1d(1, FILTERS, 64, stride=16)
        self.net = nn.Sequential(nn.Linear(FILTERS, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 32))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.filters(x[:, 0]).square().mean(dim=2).add(1e-3).log())


class Formats(World):
    """Views are the vectors of `World`; waveforms are (n, 1, 1, SAMPLES)."""

    def partner(self) -> nn.Module:
        return Ear()

    def waveform(self, items: Tensor, generator: torch.Generator) -> Tensor:
        cycles = torch.arange(2, 2 + 7 * items.shape[1], 7)
        turns = torch.arange(SAMPLES) / SAMPLES * cycles[:, None] + torch.rand(*items.shape, 1, generator=generator)
        partials = items.exp()[:, :, None] * (2 * math.pi * turns).sin()
        noise = 0.3 * torch.randn(len(items), SAMPLES, generator=generator)
        return (partials.sum(dim=1) + noise)[:, None, None]

    def views(self, plan: ViewPlan, items: Tensor, labels: Tensor, generator: torch.Generator) -> list[Tensor]:
        vectors = [self.view(items, generator) for _ in range(plan.views + plan.short)]
        return vectors + [self.waveform(items, generator) for _ in range(plan.waveforms)]


FORMATS = "formats"
"""Its name for a `Case`."""
WORLDS[FORMATS] = Formats()

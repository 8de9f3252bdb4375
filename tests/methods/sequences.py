"""The world of sequences: what comes next can be told, if the loud noise beside it is left aside.

Each of 16 clusters is a tune: tones that follow each other in a circle. A clip begins anywhere in it; half of its bands
hold the tones, softly, and the other half noise that every frame draws anew, so that an untrained encoder hears noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.encoders.build import build_seeded
from audiossl.recipe.encoders import CausalConfig
from tests.methods.toy import CLUSTERS, WORLDS, World

FRAMES, TONES, LENGTH, LASTS = 24, 8, 4, 2
"""Frames of a view, tones there are, tones of a tune, frames that a tone lasts."""
ENCODER = CausalConfig(channels=[32], kernels=[4], strides=[2], context=32)


class Sequences(World):
    """Views (n, 1, 16, FRAMES) for a small causal encoder of one frame in two."""

    dim = ENCODER.context

    def encoder(self) -> nn.Module:
        return build_seeded(ENCODER, 2 * TONES, seed=0)

    def items(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tunes (n, LENGTH) as numbers of tones, and their clusters (n,)."""
        tunes = torch.rand(CLUSTERS, TONES, generator=torch.Generator().manual_seed(0)).argsort(dim=1)[:, :LENGTH]
        labels = torch.randint(CLUSTERS, (n,), generator=generator)
        return tunes[labels], labels

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        """From anywhere in the tune on."""
        start = torch.randint(LENGTH * LASTS, (len(items), 1), generator=generator)
        place = (start + torch.arange(FRAMES)) // LASTS % LENGTH
        tones = F.one_hot(items.gather(1, place), TONES).float()
        tones += 0.2 * torch.randn(tones.shape, generator=generator)
        noise = 2.0 * torch.randn(tones.shape, generator=generator)
        return torch.cat([tones, noise], dim=2).transpose(1, 2)[:, None]


SEQUENCES = "sequences"
"""Its name for a `Case`."""
WORLDS[SEQUENCES] = Sequences()

"""The worlds of the image wing: what its front end and views give, (N, 3, side, side), for every method that takes it.

They are the worlds of one channel in colours: those of pictures under a cast that every view draws anew, those of
patterns with a pattern in each channel. CPC has one of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.encoders.build import build_seeded
from audiossl.recipe.image_encoders import PatchesConfig
from tests.methods.patterns import Patterns
from tests.methods.pictures import Mosaics, Pictures
from tests.methods.sequences import LENGTH, TONES, Sequences
from tests.methods.toy import WORLDS
from tests.methods.words import Words


class Photos(Pictures):
    """Strokes in white on grounds of any colour, each channel more or less bright."""

    channels = 3
    slope = 0.5

    def encoder(self) -> nn.Module:
        """With a norm before its last layer: the untrained one would give all pictures nearly one embedding."""
        *layers, last = super().encoder()
        return nn.Sequential(*layers, nn.BatchNorm1d(64), last)

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        grey = super().view(items, generator)
        brightness = 0.7 + 0.6 * torch.rand(len(items), 3, 1, 1, generator=generator)
        return brightness * grey + 0.5 * torch.randn(len(items), 3, 1, 1, generator=generator)


class PhotoMosaics(Mosaics, Photos):
    """Mosaics in colours."""


class PhotoPatterns(Patterns):
    """A pattern in each channel."""

    channels = 3


class PhotoWords(Words, Photos):
    """Strokes with names."""


class Walls(Sequences):
    """Walls of courses, one above the other as the tones of a tune follow each other, beside two channels of noise.

    Views are (n, 3, 24, 24): a course is 4 pixels high, and the stripe of 3 pixels that is lit in it is its tone.
    """

    dim = 32

    def encoder(self) -> nn.Module:
        return build_seeded(PatchesConfig(side=8, stride=4, channels=[16, 32], rows_above=3), 24, seed=0, channels=3)

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        start = torch.randint(LENGTH, (len(items), 1), generator=generator)
        lit = F.one_hot(items.gather(1, (start + torch.arange(6)) % LENGTH), TONES).float()
        wall = lit.repeat_interleave(4, dim=1).repeat_interleave(3, dim=2)
        wall += 0.2 * torch.randn(wall.shape, generator=generator)
        noise = 2.0 * torch.randn(len(items), 2, *wall.shape[1:], generator=generator)
        return torch.cat([wall[:, None], noise], dim=1)


PHOTOS, PHOTO_MOSAICS, PHOTO_PATTERNS = "photos", "photo mosaics", "photo patterns"
PHOTO_WORDS, WALLS = "photo words", "walls"
"""Their names for a `Case`."""
WORLDS.update(
    {
        PHOTOS: Photos(),
        PHOTO_MOSAICS: PhotoMosaics(),
        PHOTO_PATTERNS: PhotoPatterns(),
        PHOTO_WORDS: PhotoWords(),
        WALLS: Walls(),
    }
)

"""The worlds of the image wing: what its front end and views give, (N, 3, side, side), for every method that takes it.

They are the worlds of one channel in colours: those of pictures under a cast that every view draws anew, those of
patterns with a pattern in each channel. CPC has one of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
        encoder = nn.Sequential(*layers, nn.BatchNorm1d(64), last)
        encoder.channels = self.channels
        return encoder

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
    """Walls of courses, one above the other as the tones of a tune follow each other; every tone is a kind of brick.

    Views are (n, 3, 12, 12): six courses of bricks of 2 by 4 pixels, which begin anywhere, under noise.
    """

    dim = 32
    noise = 1.5

    def encoder(self) -> nn.Module:
        return build_seeded(PatchesConfig(side=4, stride=4, channels=[16, 32], rows_above=2), 12, seed=0, channels=3)

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        n = len(items)
        bricks = torch.randn(TONES, 3, 2, 4, generator=torch.Generator().manual_seed(0))
        start = torch.randint(LENGTH, (n, 1), generator=generator)
        courses = bricks[items.gather(1, (start + torch.arange(6)) % LENGTH)]
        wall = courses.transpose(1, 2).flatten(2, 3)
        column = (torch.arange(12) + torch.randint(4, (n, 1), generator=generator)) % 4
        wall = wall.take_along_dim(column[:, None, None], dim=3)
        return wall + self.noise * torch.randn(wall.shape, generator=generator)


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

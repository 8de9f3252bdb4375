"""A tiny model of each wing, and examples for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from audiossl.bundle.bundle import Statistics
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.image_encoders import ImageResNet18Config
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.schema import ImageRecipe, Recipe


class Wing(NamedTuple):
    """What a test needs to be run on sounds and on pictures alike."""

    name: str
    recipe: Recipe
    statistics: Statistics
    example: tuple[Any, ...]
    """What `Bundle.embed` is given."""
    embedding_dim: int


def sine(seconds: float, rate: int = 16_000, hz: float = 440.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate).astype(np.float32) * 0.5


def picture(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)


SOUNDS = Wing(
    "sounds",
    Recipe(name="tiny", encoder=AudioNtt2020Config(dim=32)),
    Statistics(mean=-7.0, std=4.0, items=3),
    (sine(1.3), 16_000),
    32,
)
PICTURES = Wing(
    "pictures",
    ImageRecipe(name="tiny", frontend=PixelsConfig(side=16), encoder=ImageResNet18Config(width=8)),
    Statistics(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), items=3),
    (picture(),),
    64,
)
WINGS = (SOUNDS, PICTURES)

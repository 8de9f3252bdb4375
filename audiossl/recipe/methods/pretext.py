"""Pretext tasks: the network must tell what was done to a clip, which takes knowing what it holds."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from audiossl.recipe.base import Count
from audiossl.recipe.methods.base import HeadSpec, MethodBase

Transform = Literal["identity", "time_reversal", "frequency_flip", "both", "faster", "slower", "higher", "lower"]
"""What `transforms` can do to a spectrogram; `both` flips are the half turn of an image.

`faster` and `slower` change the tempo by `factor`. `higher` and `lower` scale time and bands together, as playing at
another sample rate does. That is exact where bands are spaced evenly in Hz; bands spaced by mel obey it at the bottom,
while a real change of rate would move the top bands by less.
"""


class RotationConfig(MethodBase):
    """Rotation prediction (Gidaris et al. 2018): by how many quarter turns was the picture turned?"""

    family = "pretext"
    paper = "Gidaris et al. 2018"
    takes = ("image",)
    instead = "transforms"
    needs = "one view of a square picture"
    name: Literal["rotation"] = "rotation"
    hidden: HeadSpec = "512 bn relu"
    """Layers between embedding and classes; the paper finds that what stands before the last layers serves best."""


class TransformsConfig(MethodBase):
    """Transform prediction, the twin of rotation (Gidaris et al. 2018) for sound: was it reversed, flipped, faster?"""

    family = "pretext"
    paper = "after Gidaris et al. 2018"
    needs = "one view of a clip"
    name: Literal["transforms"] = "transforms"
    transforms: Annotated[tuple[Transform, ...], Field(min_length=2)] = (
        "identity",
        "time_reversal",
        "frequency_flip",
        "both",
    )
    """The classes. All of them are made of every clip."""
    factor: Annotated[float, Field(gt=1, le=2)] = 1.25
    """Of `faster`, `slower`, `higher` and `lower`."""
    smoothing: Annotated[float, Field(ge=1)] = 2.0
    """With these four, the deviation in frames and bands of the Gaussian through which every class is read alike.

    It hides what interpolation leaves behind, and most of the front end's own smoothness: frames of overlapping windows
    change slowly, and slower ones more slowly.
    """
    hidden: HeadSpec = "512 bn relu"
    """Layers between embedding and classes."""

    @field_validator("transforms", mode="before")
    @classmethod
    def _seen_by_a_spectrogram(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and "polarity" in value:
            raise ValueError("a log-mel spectrogram cannot see polarity; write another transform in its place")
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> TransformsConfig:
        if len(set(self.transforms)) < len(self.transforms):
            raise ValueError("transforms names a class twice; write each once")
        if self.smoothing < 0.75 * self.factor:
            raise ValueError(
                f"smoothing {self.smoothing:g} does not hide the interpolation of factor {self.factor:g}; "
                f"write smoothing: {0.75 * self.factor:g} or more"
            )
        return self


class JigsawConfig(MethodBase):
    """Jigsaw puzzles (Noroozi and Favaro 2016): in which order do the shuffled tiles of a clip belong?

    The defaults are the paper's, for pictures.
    """

    family = "pretext"
    paper = "Noroozi and Favaro 2016"
    needs = "one view of a clip; more than one row of tiles needs an encoder of any number of bands or rows"
    name: Literal["jigsaw"] = "jigsaw"
    grid: tuple[Count, Count] = (3, 3)
    """Rows of tiles, over frequency or from top to bottom; columns, over time or from left to right."""
    permutations: Annotated[int, Field(ge=2, le=10_000)] = 1000
    """Orders to tell apart, chosen far from each other."""
    permutation_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """What the set of orders is made from."""
    gap: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of a cell's side that its tile leaves free, at random places, so that edges do not go on in the next."""
    tile_head: HeadSpec = "512 relu"
    """From the embedding of a tile to what is laid side by side."""
    hidden: HeadSpec = "4096 relu"
    """Layers over all tiles together, before the classes: here what one tile leaves open is settled by the others."""

    @model_validator(mode="after")
    def _solvable(self) -> JigsawConfig:
        tiles = math.prod(self.grid)
        if not 2 <= tiles <= 16:
            raise ValueError(f"grid cuts {tiles} tiles; write rows and columns that make 2 to 16")
        if self.permutations > math.factorial(tiles):
            raise ValueError(
                f"{tiles} tiles have only {math.factorial(tiles)} orders; "
                f"write permutations: {math.factorial(tiles)} or less"
            )
        return self

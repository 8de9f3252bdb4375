"""Methods: everything between views and a loss. Defaults are the papers'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config, Positive

HeadSpec = Annotated[str, Field(pattern=r"^\s*\d+(\s+(\d+|bn|bn_plain|relu))*\s*$")]
"""A projection head in words: "512 bn relu 128" is Linear(512), BatchNorm, ReLU, Linear(128)."""


class SimClrConfig(Config):
    """SimCLR (Chen et al. 2020): NT-Xent over the two views of a batch, as in Fonseca et al. 2021."""

    name: Literal["simclr"] = "simclr"
    temperature: Positive = 0.2
    head: HeadSpec = "512 bn relu 512"
    """Projection head; its output is L2-normalised."""


class BarlowTwinsConfig(Config):
    """Barlow Twins (Zbontar et al. 2021): the views' cross-correlation matrix is driven to the identity."""

    name: Literal["barlow_twins"] = "barlow_twins"
    off_diagonal_weight: Positive = 0.0051
    """lambda of the paper."""
    head: HeadSpec = "2048 bn relu 2048 bn relu 2048"


MethodConfig = Annotated[SimClrConfig | BarlowTwinsConfig, Field(discriminator="name")]

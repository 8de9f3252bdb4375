"""Methods: everything between views and a loss, one file of Configs per family."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audiossl.recipe.methods.base import HeadSpec, MethodBase
from audiossl.recipe.methods.contrastive import SimClrConfig
from audiossl.recipe.methods.redundancy import BarlowTwinsConfig

MethodConfig = Annotated[
    SimClrConfig | BarlowTwinsConfig,
    Field(discriminator="name"),
]

__all__ = ["BarlowTwinsConfig", "HeadSpec", "MethodBase", "MethodConfig", "SimClrConfig"]

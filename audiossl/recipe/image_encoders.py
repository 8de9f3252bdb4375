"""Encoders of pictures: from (B, 3, side, side) to an embedding."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config, Count
from audiossl.recipe.encoders import TimmConfig

Stem = Literal["3x3", "7x7"]


class ImageResNet18Config(Config):
    """ResNet-18 (He et al. 2016), by default in its form for small pictures; embedding 8 * width."""

    name: Literal["resnet18"] = "resnet18"
    stem: Stem = "3x3"
    """The first convolution. `3x3`: stride 1 and no maximum after it, for CIFAR-10 (SimCLR, Chen et al. 2020, B.9);
    `7x7`: stride 2 and a maximum of stride 2, for pictures of 96 pixels a side and more."""
    width: Count = 64
    """Channels of the first stage; each of the three others has twice those of the one before."""


ImageEncoderConfig = Annotated[ImageResNet18Config | TimmConfig, Field(discriminator="name")]

"""Encoders of pictures: from (B, 3, side, side) to an embedding."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from audiossl.recipe.base import Config, Count
from audiossl.recipe.encoders import TimmConfig

Stem = Literal["3x3", "3x3/2", "7x7"]


class ImageResNet18Config(Config):
    """ResNet-18 (He et al. 2016), by default in its form for small pictures; embedding 8 * width."""

    name: Literal["resnet18"] = "resnet18"
    stem: Stem = "3x3"
    """The first convolution. `3x3`: stride 1 and no maximum after it, for CIFAR-10 (SimCLR, Chen et al. 2020, B.9);
    `3x3/2`: the same with stride 2, four times as fast; `7x7`: stride 2 and a maximum of stride 2, for pictures of 96
    pixels a side and more."""
    # Below 8 channels the backward pass of a strided 1x1 convolution writes outside its memory (torch 2.14, oneDNN).
    width: Annotated[int, Field(ge=8)] = 64
    """Channels of the first stage; each of the three others has twice those of the one before."""


class PatchesConfig(Config):
    """The encoder of CPC for pictures (van den Oord et al. 2018, 3.3): a row of patches knows those above it alone.

    As in the paper a patch is a quarter of the picture's side and overlaps the next by half: a grid of 7 x 7. The
    context's form is that of Henaff et al. 2020.
    """

    more_frames: ClassVar[str] = "a shorter encoder.stride"
    """What to write for more of them."""
    name: Literal["patches"] = "patches"
    side: Annotated[int, Field(ge=2)] = 8
    """Pixels of a patch's side."""
    stride: Count = 4
    """Pixels from a patch to the next."""
    channels: list[Count] = Field(default=[64, 128, 256], min_length=1)
    """Of the convolutions over a patch, each but the first of stride 2; the last is the embedding's size."""
    rows_above: Count = 5
    """How many rows above its own the context of a row knows; as many residual blocks."""

    @model_validator(mode="after")
    def _no_gaps(self) -> PatchesConfig:
        if self.stride > self.side:
            raise ValueError(f"a stride of {self.stride} skips pixels between patches of {self.side}; write a shorter")
        return self

    def frames_of(self, pixels: int) -> int:
        """Rows of patches in a picture of so many rows of pixels."""
        return max(0, pixels - self.side) // self.stride + 1


ImageEncoderConfig = Annotated[ImageResNet18Config | TimmConfig | PatchesConfig, Field(discriminator="name")]

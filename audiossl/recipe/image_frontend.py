"""The front end of pictures: from a file's pixels of any size to a square of one size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config

Interpolation = Literal["bilinear", "bicubic"]


class PixelsConfig(Config):
    """The middle square of a picture, resized to `side`.

    A picture that has this side is taken as it is. A larger one is resized with antialias. A smaller one is enlarged
    by the same interpolation: nothing is padded, and no detail appears that was not there.
    """

    name: Literal["pixels"] = "pixels"
    side: Annotated[int, Field(ge=8, le=4096)] = 32
    """Pixels."""
    interpolation: Interpolation = "bilinear"

    @property
    def bands(self) -> int:
        """Rows of what encoders are given."""
        return self.side

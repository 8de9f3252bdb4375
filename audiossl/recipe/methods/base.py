"""What every method's Config shares."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from audiossl.recipe.base import Config

HeadSpec = Annotated[str, Field(pattern=r"^\s*\d+(\s+(\d+|bn|bn_plain|relu))*\s*$")]
"""A projection head in words: "512 bn relu 128" is Linear(512), BatchNorm, ReLU, Linear(128)."""

Momentum = Annotated[float, Field(ge=0, le=1)]
"""The share of a moving average that stays at each update; 1 freezes it, 0 copies."""

TeacherNorm = Literal["batch", "average"]
"""What a teacher's BatchNorm normalises by: the statistics of its own batch, or moving averages of the student's."""


def head_dim(spec: str) -> int:
    """The output size of the head `spec`."""
    return int([word for word in spec.split() if word.isdigit()][-1])


class MethodBase(Config):
    """A method in a recipe. The first sentence of a Config's docstring is what `audiossl methods` prints of it."""

    family: ClassVar[str]
    """Under which heading it is listed."""
    paper: ClassVar[str]
    """Authors and year, e.g. "Chen et al. 2020"."""
    takes: ClassVar[tuple[str, ...]] = ("audio", "image")
    """The modalities that it can learn from."""
    instead: ClassVar[str] = "another method"
    """What to write for the others."""
    needs: ClassVar[str] = "two views of a clip"
    """What it asks of the data or of the encoder, in words."""

"""What the Configs of views share: a probability, ranges that parameters are drawn from, the normalisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from audiossl.recipe.base import Config, NonNegative, Positive, Probability

Chance = Probability | Annotated[tuple[Probability, ...], Field(min_length=1)]
"""Of every view; or a list with one for each view, which BYOL has. Further views begin the list anew."""


class ViewConfig(Config):
    """What every augmentation can say."""

    p: Chance = 1.0
    """Probability that an example is changed at all, or a list: one of the first view, one of the second."""


class NormaliseConfig(Config):
    """Subtract the mean and divide by the deviation of the training data (kept in the bundle)."""

    name: Literal["normalise"] = "normalise"


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    low, high = pair
    if low > high:
        raise ValueError(f"the range [{low:g}, {high:g}] runs downwards; write [{high:g}, {low:g}]")
    return pair


Ascending = AfterValidator(_ascending)
"""Refuses a range whose first number is the larger."""

Share = Annotated[float, Field(gt=0, le=1)]
"""More than nothing, at most the whole."""

Range = Annotated[tuple[float, float], Ascending]
PositiveRange = Annotated[tuple[Positive, Positive], Ascending]
NonNegativeRange = Annotated[tuple[NonNegative, NonNegative], Ascending]
ShareRange = Annotated[tuple[Share, Share], Ascending]

"""How scores along time become events. Imports neither torch nor scikit-learn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from audiossl.recipe.base import Config, Positive


class DetectionConfig(Config):
    """Smooth each class's scores, cut them at a threshold, drop what is too short (Turian et al. 2022)."""

    threshold: Annotated[float, Field(gt=0, lt=1)]
    """A class is heard where its probability is above this."""
    median_s: Positive
    """Length of the median filter over the probabilities, rounded to whole timestamps."""
    shortest_s: list[Positive] = Field(min_length=1)
    """From the first to the last timestamp of an event at least; of several the one with the greatest onset F1 on the
    items that choose."""

    @field_validator("shortest_s")
    @classmethod
    def _ascending(cls, shortest_s: list[float]) -> list[float]:
        if shortest_s != sorted(set(shortest_s)):
            raise ValueError("write the shortest lengths in ascending order, each once")
        return shortest_s

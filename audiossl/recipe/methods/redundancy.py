"""Redundancy reduction: the embedding's dimensions are kept apart. Defaults are the papers'."""

from __future__ import annotations

from typing import Literal

from audiossl.recipe.base import Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase


class BarlowTwinsConfig(MethodBase):
    """Barlow Twins (Zbontar et al. 2021): the views' cross-correlation matrix is driven to the identity."""

    family = "redundancy"
    paper = "Zbontar et al. 2021"
    name: Literal["barlow_twins"] = "barlow_twins"
    off_diagonal_weight: Positive = 0.0051
    """lambda of the paper."""
    head: HeadSpec = "2048 bn relu 2048 bn relu 2048"

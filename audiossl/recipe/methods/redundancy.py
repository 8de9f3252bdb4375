"""Redundancy reduction: the embedding's dimensions are kept apart. Defaults are the papers'."""

from __future__ import annotations

from typing import Literal

from audiossl.recipe.base import NonNegative, Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase


class BarlowTwinsConfig(MethodBase):
    """Barlow Twins (Zbontar et al. 2021): the views' cross-correlation matrix is driven to the identity."""

    family = "redundancy"
    paper = "Zbontar et al. 2021"
    name: Literal["barlow_twins"] = "barlow_twins"
    off_diagonal_weight: Positive = 0.0051
    """lambda of the paper."""
    head: HeadSpec = "2048 bn relu 2048 bn relu 2048"


class VicRegConfig(MethodBase):
    """VICReg (Bardes et al. 2022): every dimension keeps its variance and shares none of it with another."""

    family = "redundancy"
    paper = "Bardes et al. 2022"
    name: Literal["vicreg"] = "vicreg"
    invariance: NonNegative = 25.0
    """Weight of the distance between the views; lambda of the paper."""
    variance: NonNegative = 25.0
    """Weight of the variance term, mu of the paper, averaged over the views as in its code; its equation says 50."""
    covariance: NonNegative = 1.0
    """Weight of the covariance term; nu of the paper."""
    head: HeadSpec = "8192 bn relu 8192 bn relu 8192"

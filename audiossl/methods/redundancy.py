"""Redundancy reduction: no negatives; the embedding's dimensions are kept apart instead."""

from __future__ import annotations

from torch import Tensor

from audiossl.methods.base import At, Siamese
from audiossl.methods.losses.redundancy import barlow_twins, vicreg
from audiossl.recipe.methods import BarlowTwinsConfig, VicRegConfig


class BarlowTwins(Siamese[BarlowTwinsConfig]):
    """Barlow Twins (Zbontar et al. 2021)."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The cross-correlation loss of the projections of two views (N, C, F, T)."""
        z1, z2 = self.project(views)
        return {"loss": barlow_twins(z1, z2, self.config.off_diagonal_weight)}


class VicReg(Siamese[VicRegConfig]):
    """VICReg (Bardes et al. 2022)."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Invariance, variance and covariance of the projections of two views (N, C, F, T)."""
        z1, z2 = self.project(views)
        config = self.config
        return {"loss": vicreg(z1, z2, config.invariance, config.variance, config.covariance)}

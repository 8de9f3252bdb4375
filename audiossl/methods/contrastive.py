"""Contrastive methods: the other clips of the batch are pushed away."""

from __future__ import annotations

from torch import Tensor

from audiossl.methods.base import At, Siamese
from audiossl.methods.losses.contrastive import ntxent
from audiossl.recipe.methods import SimClrConfig


class SimClr(Siamese[SimClrConfig]):
    """SimCLR (Chen et al. 2020), the method of Fonseca et al. 2021: NT-Xent over both views of the whole batch."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """NT-Xent of the projections of two views (N, 1, F, T)."""
        z1, z2 = self.project(views)
        return {"loss": ntxent(z1, z2, self.config.temperature)}

"""Contrastive methods: the other clips of the batch are pushed away."""

from __future__ import annotations

from torch import Tensor

from audiossl.methods.base import At, Siamese
from audiossl.methods.losses.contrastive import decoupled, hard_negatives, ntxent
from audiossl.recipe.methods import SimClrConfig
from audiossl.recipe.methods.contrastive import DebiasedConfig, DecoupledConfig, HardNegativesConfig


class SimClr(Siamese[SimClrConfig]):
    """SimCLR (Chen et al. 2020), the method of Fonseca et al. 2021, and its variants, over the whole batch."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The variant's loss of the projections of two views (N, 1, F, T)."""
        z1, z2 = self.project(views)
        temperature = self.config.temperature
        match self.config.variant:
            case DecoupledConfig(sigma=sigma):
                loss = decoupled(z1, z2, temperature, sigma)
            case DebiasedConfig(tau_plus=tau_plus):
                loss = hard_negatives(z1, z2, temperature, tau_plus, beta=0.0)
            case HardNegativesConfig(tau_plus=tau_plus, beta=beta):
                loss = hard_negatives(z1, z2, temperature, tau_plus, beta)
            case _:
                loss = ntxent(z1, z2, temperature)
        return {"loss": loss}

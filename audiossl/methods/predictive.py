"""Predictive methods: what comes next is told from what came before."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from audiossl.errors import RecipeError
from audiossl.methods.base import At, OneView
from audiossl.methods.losses.predictive import cpc
from audiossl.recipe.methods.predictive import CpcConfig


class LooksBackOnly(Protocol):
    """What CPC asks of an encoder: context that knows no later frame."""

    latent_dim: int

    def latents(self, x_BCFT: Tensor) -> Tensor:
        """Latents (B, U, latent_dim) of each frame."""

    def context(self, z_BUL: Tensor) -> Tensor:
        """From latents, contexts (B, U, embedding_dim) of the frames up to each one."""


class Cpc(OneView[CpcConfig]):
    """CPC (van den Oord et al. 2018).

    Raises:
        RecipeError: the encoder has no latents and context.
    """

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make one prediction matrix per step."""
        if not hasattr(self.encoder, "latents"):
            raise RecipeError(
                "method: cpc needs an encoder that never looks ahead; write encoder.name: causal, or patches"
            )
        shape = self.config.steps, self._encoder.latent_dim, embedding_dim
        self.predictors = nn.Parameter(torch.randn(shape) * embedding_dim**-0.5)

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """How well the coming latents of one view (N, C, F, T) are told from others."""
        z_BUL = self._encoder.latents(views[0])
        c_BUC = self._encoder.context(z_BUL)
        assert z_BUL.shape[1] > self.config.steps, "a recipe whose crops are too short is refused before training"
        return {"loss": cpc(self.gather(z_BUL), self.gather(c_BUC), self.predictors, self.config.negatives_from)}

    @property
    def _encoder(self) -> LooksBackOnly:
        return cast(LooksBackOnly, self.encoder)

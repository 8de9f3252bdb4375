"""Contrastive methods: the other clips, of the batch or of a bank, are pushed away."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.methods.base import At, Embed, OneView, Siamese
from audiossl.methods.heads import build_head
from audiossl.methods.losses.contrastive import (
    bank_scores,
    bilinear_info_nce,
    decoupled,
    hard_negatives,
    info_nce,
    instance_nce,
    ntxent,
)
from audiossl.methods.state import Bank
from audiossl.recipe.methods import ColaConfig, NpidConfig, SimClrConfig
from audiossl.recipe.methods.base import head_dim
from audiossl.recipe.methods.contrastive import (
    CosineSimilarityConfig,
    DebiasedConfig,
    DecoupledConfig,
    HardNegativesConfig,
)


class SimClr(Siamese[SimClrConfig]):
    """SimCLR (Chen et al. 2020), the method of Fonseca et al. 2021, and its variants, over the whole batch."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The variant's loss of the projections of two views (N, C, F, T)."""
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


class Npid(OneView[NpidConfig]):
    """NPID (Wu et al. 2018): a view of a clip against the bank's row of that clip, among the rows of other clips."""

    log_z: Tensor

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the head, the bank, and for the form `nce` the constant Z, not yet known."""
        self.head = build_head(self.config.head, embedding_dim)
        self.bank = Bank(n_items, head_dim(self.config.head))
        self._pending: list[tuple[Tensor, Tensor]] = []
        if self.config.form == "nce":
            self.register_buffer("log_z", torch.tensor(torch.inf))

    def before_epoch(self, at: At, embed: Embed) -> None:
        """Fill the bank before the first epoch.

        The paper starts from random rows. Those of clips that were seen then share the network's main direction and
        those of clips to come do not: every clip is pushed away from itself, and a short run does not recover.
        """
        if not self.bank.filled.any():
            z, index = embed(lambda view: self.head(self.encoder(view)))
            self.bank.write(index, z)

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Cross-entropy or its estimate for one view (N, C, F, T)."""
        z, drawn, index = (self.gather(x) for x in (self.head(self.encoder(views[0])), self._draw(index), index))
        self._pending.append((index, z.detach()))
        scores = bank_scores(z, self.bank.rows, self.config.temperature)
        if self._takes_all:
            return {"loss": F.cross_entropy(scores, index)}
        scores = scores.gather(1, torch.cat([index[:, None], drawn], dim=1))
        if self.config.form == "softmax":
            return {"loss": F.cross_entropy(scores, torch.zeros_like(index))}
        items = len(self.bank.rows)
        estimate = scores.detach().flatten().logsumexp(0) + math.log(items / scores.numel())
        self.log_z = torch.where(self.log_z.isinf(), estimate, self.log_z)
        return {"loss": instance_nce(scores, self.log_z, items)}

    def after_step(self, at: At) -> None:
        """Write what the batches of this step have seen to the bank."""
        for index, z in self._pending:
            self.bank.write(index, z, self.config.momentum)
        self._pending.clear()

    @property
    def _takes_all(self) -> bool:
        assert self.config.negatives != "auto"
        return self.config.form == "softmax" and self.config.negatives >= len(self.bank.rows) - 1

    def _draw(self, index: Tensor) -> Tensor:
        """Rows (N, K) of other clips, drawn evenly with replacement."""
        items = len(self.bank.rows)
        shape = (len(index), 0 if self._takes_all else int(self.config.negatives))
        return (index[:, None] + torch.randint(1, items, shape, device=index.device)) % items


class Cola(Siamese[ColaConfig]):
    """COLA (Saeed et al. 2021): InfoNCE from the first crop of each clip to the second crops of the batch."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the head and, for the bilinear similarity, its norm and its weight."""
        super().build(embedding_dim, n_items)
        if self.config.similarity.name == "bilinear":
            dim = head_dim(self.config.head)
            self.norm = nn.LayerNorm(dim)
            self.weight = nn.Parameter(self.config.similarity.start * torch.randn(dim, dim))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """InfoNCE of two views (N, C, F, T)."""
        anchor, positive = self.project(views)
        if isinstance(self.config.similarity, CosineSimilarityConfig):
            return {"loss": info_nce(anchor, positive, self.config.similarity.temperature)}
        anchor, positive = (self.norm(z).tanh() for z in (anchor, positive))
        return {"loss": bilinear_info_nce(anchor, positive, self.weight)}

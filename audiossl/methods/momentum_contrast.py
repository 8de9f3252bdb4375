"""Momentum contrast: the keys that a query is compared with come from a slowly moving teacher."""

from __future__ import annotations

import torch
from torch import Tensor

from audiossl.methods.base import At
from audiossl.methods.distillation import PredictsTeacher, Taught
from audiossl.methods.losses.momentum_contrast import moco, moco_v3
from audiossl.methods.state import Queue
from audiossl.recipe.methods import MocoConfig, MocoV3Config
from audiossl.recipe.methods.base import head_dim


class Moco(Taught[MocoConfig]):
    """MoCo (He et al. 2020) with the head and temperature of v2.

    The paper moves the teacher before it encodes the keys; moving it after the step before gives the same keys.
    """

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make head, teacher and queue."""
        super().build(embedding_dim, n_items)
        assert self.config.queue != "auto", "auto values are resolved before training"
        self.queue = Queue(self.config.queue, head_dim(self.config.head))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """InfoNCE of the first view's projection with the teacher's of the second, which then joins the queue."""
        pairs = [views, views[::-1]] if self.config.symmetric else [views]
        queries = self.project([query for query, _ in pairs])
        keys = self.keys([key for _, key in pairs])
        rows, temperature = self.queue.rows, self.config.temperature
        losses = [moco(query, key, rows, temperature) for query, key in zip(queries, keys, strict=True)]
        self.queue.push(torch.cat(keys))
        return {"loss": torch.stack(losses).mean()}

    def momentum(self, at: At) -> float:
        """The same at every step."""
        assert self.config.momentum != "auto", "auto values are resolved before training"
        return self.config.momentum


class MocoV3(PredictsTeacher[MocoV3Config]):
    """MoCo v3 (Chen et al. 2021)."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """InfoNCE of each view's prediction with the teacher's projections of the other, added."""
        (q1, q2), (k1, k2) = self.predictions(views), self.keys(views)
        return {"loss": moco_v3(q1, k2, self.config.temperature) + moco_v3(q2, k1, self.config.temperature)}

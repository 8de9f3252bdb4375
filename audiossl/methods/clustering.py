"""Clustering methods: a view predicts the cluster of its clip, and no cluster may be empty.

Shapes: N clips, K clusters, D projection size, H heads.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import DataError
from audiossl.methods.assignment import random_rows, sinkhorn, spherical_kmeans
from audiossl.methods.base import At, Embed, Method, OneView, Siamese, ViewPlan
from audiossl.methods.losses.clustering import cluster_prediction, cosine_scores, swapped_prediction
from audiossl.methods.state import Bank, Queue
from audiossl.recipe.methods.base import head_dim
from audiossl.recipe.methods.clustering import DeepClusterConfig, MultiCropConfig, SelaConfig, SwavConfig

WHOLE = 2
"""Views that say clusters; the short ones after them are only told."""

M = TypeVar("M", bound=MultiCropConfig)


def enough(k: int, readable: int) -> None:
    """Raise `DataError` when fewer clips than `k` clusters could be read."""
    if readable < k:
        raise DataError(
            f"only {readable} clips could be read, too few for method.clusters {k}; write at most {readable}"
        )


def random_labels(n_items: int, heads: int, k: int) -> Tensor:
    """Labels (n_items, heads) at random, each as often as the others."""
    return torch.stack([torch.randperm(n_items) % k for _ in range(heads)], dim=1)


def of_first_rank(method: Method[Any], x: Tensor) -> Tensor:
    """The first rank's `x`, on every rank: what each computed on its own may differ by rounding."""
    return method.gather(x)[: len(x)]


class MultiCrop(Siamese[M]):
    """Two whole views and some short ones, all through one head."""

    @classmethod
    def view_plan(cls, config: M) -> ViewPlan:
        """Two views and the short crops."""
        return ViewPlan(views=WHOLE, short=config.short_crops, short_share=config.short_share)


class Swav(MultiCrop[SwavConfig]):
    """SwAV (Caron et al. 2020): the codes of one view, equally spread by Sinkhorn, are predicted by the others."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make head, prototypes and one queue for each whole view."""
        super().build(embedding_dim, n_items)
        assert self.config.queue != "auto"
        assert self.config.prototypes != "auto"
        self.k, dim = self.config.prototypes, head_dim(self.config.head)
        self.prototypes = nn.Parameter(F.normalize(torch.randn(self.k, dim), dim=1))
        queues = [Queue(self.config.queue, dim) for _ in range(WHOLE) if self.config.queue]
        self.queues = cast("list[Queue]", nn.ModuleList(queues))
        self._unqueued: list[list[Tensor]] = []

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Swapped prediction; `code_entropy` of 1 is all prototypes in use, `relative_loss` of 1 is nothing learnt."""
        assert self.config.freeze_steps != "auto"
        prototypes_KD = self.prototypes.detach() if at.step < self.config.freeze_steps else self.prototypes
        z = self.project(views)
        scores = [cosine_scores(z_ND, prototypes_KD) for z_ND in z]
        codes = self.codes(scores, at)
        loss = swapped_prediction(scores, codes, self.config.temperature)
        self._unqueued.append([z_ND.detach() for z_ND in z[:WHOLE]])
        entropy = torch.special.entr(torch.cat(codes).mean(dim=0)).sum() / math.log(self.k)
        return {"loss": loss, "relative_loss": loss / math.log(self.k), "code_entropy": entropy}

    def codes(self, scores: list[Tensor], at: At) -> list[Tensor]:
        """Codes (N, K) of each whole view, which shares the prototypes with its queue where that is full."""
        joint = scores[:WHOLE]
        for view, queue in enumerate(self.queues):
            if queue.full and at.epoch >= self.config.queue_start:
                joint[view] = torch.cat([cosine_scores(queue.rows, self.prototypes), joint[view]])
        return [sinkhorn(s, self.config.epsilon, self.config.iterations)[-len(scores[0]) :] for s in joint]

    @torch.no_grad()
    def after_step(self, at: At) -> None:
        """Prototypes back to unit length; what the losses have seen goes into the queues."""
        self.prototypes.copy_(F.normalize(self.prototypes, dim=1))
        for views in self._unqueued:
            for queue, z_ND in zip(self.queues, views, strict=False):
                queue.push(z_ND)
        self._unqueued.clear()


class DeepCluster(MultiCrop[DeepClusterConfig]):
    """DeepCluster-v2 (Caron et al. 2020): k-means over banks of both views before each epoch, then classification."""

    centroids: Tensor
    labels: Tensor

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make head, banks, and labels at random until the first clustering."""
        super().build(embedding_dim, n_items)
        assert self.config.clusters != "auto"
        self.k, dim = self.config.clusters, head_dim(self.config.head)
        self.banks = cast("list[Bank]", nn.ModuleList(Bank(n_items, dim) for _ in range(WHOLE)))
        self.register_buffer("centroids", F.normalize(torch.randn(self.config.heads, self.k, dim), dim=2))
        self.register_buffer("labels", random_labels(n_items, self.config.heads, self.k))
        self._unbanked: list[tuple[Tensor, list[Tensor]]] = []

    def before_epoch(self, at: At, embed: Embed) -> None:
        """New centroids and labels for every head, from the latest embedding of every clip that could be read."""
        if not self.banks[0].filled.any():
            z_MD, index_M = embed(lambda view: self.head(self.encoder(view)))
            self._write(index_M, [z_MD] * WHOLE)
        known = self.banks[0].filled
        enough(self.k, int(known.sum()))
        for head in range(self.config.heads):
            rows = self.banks[head % WHOLE].rows[known]
            first_KD = random_rows(rows, self.k, torch.default_generator)
            centroids_KD, labels_M = spherical_kmeans(rows, first_KD, self.config.iterations)
            self.centroids[head] = of_first_rank(self, centroids_KD)
            self.labels[known, head] = of_first_rank(self, labels_M)

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Every view, whole or short, predicts its clip's cluster of every head."""
        z, index = self.project(views), self.gather(index)
        scores = [cosine_scores(z_ND, self.centroids.flatten(0, 1)).view(len(z_ND), -1, self.k) for z_ND in z]
        loss = cluster_prediction(scores, self.labels[index], self.config.temperature)
        self._unbanked.append((index, [z_ND.detach() for z_ND in z[:WHOLE]]))
        return {"loss": loss, "relative_loss": loss / math.log(self.k)}

    def after_step(self, at: At) -> None:
        """What the losses have seen replaces the clips' rows of the banks."""
        for index, z in self._unbanked:
            self._write(index, z)
        self._unbanked.clear()

    def _write(self, index: Tensor, z: list[Tensor]) -> None:
        for bank, z_ND in zip(self.banks, z, strict=True):
            bank.write(index, z_ND)


class Sela(OneView[SelaConfig]):
    """SeLA (Asano et al. 2020): labels by optimal transport over all clips, then classification."""

    labels: Tensor
    updates: Tensor

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the classifiers, and labels at random until the first labelling."""
        assert self.config.clusters != "auto"
        self.k = self.config.clusters
        self.classifiers = nn.ModuleList(nn.Linear(embedding_dim, self.k) for _ in range(self.config.heads))
        self.register_buffer("labels", random_labels(n_items, self.config.heads, self.k))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def before_epoch(self, at: At, embed: Embed) -> None:
        """New labels for all clips that can be read, if it is time."""
        if self.due(at) <= self.updates:
            return
        self.updates.fill_(self.due(at))
        x_MD, index_M = embed(self.encoder)
        enough(self.k, len(x_MD))
        for head, classifier in enumerate(self.classifiers):
            with torch.no_grad():
                logits_MK = classifier(x_MD).log_softmax(dim=1)
            codes = sinkhorn(logits_MK, 1 / self.config.sharpness, self.config.iterations, self.config.tolerance)
            self.labels[index_M, head] = of_first_rank(self, codes.argmax(dim=1))

    def due(self, at: At) -> int:
        """How many labellings should have been made: number i of n comes at the share (i / (n - 1))^2 of the run."""
        return 1 + math.floor(math.sqrt(at.progress) * (self.config.updates - 1))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Every view predicts its clip's labels."""
        embeddings = [self.encoder(view) for view in views]
        scores = [torch.stack([classify(x_ND) for classify in self.classifiers], dim=1) for x_ND in embeddings]
        loss = cluster_prediction(scores, self.labels[index], 1.0)
        return {"loss": loss, "relative_loss": loss / math.log(self.k)}

"""Distance methods: the two views of a clip share an identity, everything else is a negative."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from audiossl.methods.base import At, Rate, Siamese
from audiossl.methods.losses.distance import boundary_margin, distances, margin_contrastive, triplet
from audiossl.methods.losses.mining import all_triplets, batch_hard, distance_weighted, semi_hard
from audiossl.recipe.methods import DistanceWeightedConfig, MarginContrastiveConfig, TripletConfig
from audiossl.recipe.methods.base import MethodBase, head_dim

MINERS = {"all": all_triplets, "batch_hard": batch_hard, "semi_hard": semi_hard}

C = TypeVar("C", bound=MethodBase)


class _Distances(Siamese[C]):
    """What the methods of this family share."""

    def distances(self, views: list[Tensor], *, normalise: bool) -> tuple[Tensor, Tensor]:
        """Distances (2N, 2N) between the projections of both views, and whose view each row is."""
        z = torch.cat(self.project(views))
        identity = torch.arange(len(z), device=z.device) % (len(z) // 2)
        return distances(z, normalise=normalise), identity


class MarginContrastive(_Distances[MarginContrastiveConfig]):
    """Margin contrastive (Hadsell et al. 2006) over all pairs of both views."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The loss of the projections of two views (N, C, F, T)."""
        distance, identity = self.distances(views, normalise=self.config.normalise)
        i, j = torch.triu_indices(len(distance), len(distance), offset=1, device=distance.device)
        return {"loss": margin_contrastive(distance[i, j], identity[i] != identity[j], self.config.margin)}


class Triplet(_Distances[TripletConfig]):
    """Triplet loss (Schroff et al. 2015, Hermans et al. 2017) over the triplets that `config.mining` picks."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The loss of the projections of two views (N, C, F, T)."""
        config = self.config
        distance, identity = self.distances(views, normalise=config.normalise)
        triplets = MINERS[config.mining](distance, identity)
        value = triplet(distance, triplets, config.margin, squared=config.squared, active_only=config.active_only)
        return {"loss": value}


class DistanceWeighted(_Distances[DistanceWeightedConfig]):
    """Distance-weighted sampling with the margin loss (Wu et al. 2017)."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the head and the boundary."""
        super().build(embedding_dim, n_items)
        self.boundary = nn.Parameter(torch.tensor(self.config.boundary))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The loss of the projections of two views (N, C, F, T), and where the boundary stands."""
        config = self.config
        distance, identity = self.distances(views, normalise=True)
        triplets = distance_weighted(distance, identity, head_dim(config.head), config.cutoff, config.far)
        value = boundary_margin(distance, triplets, self.boundary, config.margin)
        return {"loss": value, "boundary": self.boundary}

    def rates(self) -> list[Rate]:
        """The boundary's own learning rate."""
        return [Rate([self.boundary], self.config.boundary_rate)]

"""Distance methods: views of one clip near each other, other clips beyond a margin. Defaults are the papers'."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from audiossl.recipe.base import Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase

ShortOfOpposite = Annotated[float, Field(gt=0, lt=2)]
"""A distance between normalised embeddings; opposite ones are 2 apart."""


class MarginContrastiveConfig(MethodBase):
    """Margin contrastive (Hadsell et al. 2006): views of a clip are pulled together, other clips pushed to a margin."""

    family = "distance"
    paper = "Hadsell et al. 2006"
    name: Literal["margin_contrastive"] = "margin_contrastive"
    margin: Positive = 4.0
    """Distance beyond which two clips are left alone."""
    normalise: bool = False
    """Whether embeddings are L2-normalised; then no two are more than 2 apart."""
    head: HeadSpec = "128"

    @model_validator(mode="after")
    def _margin_can_be_reached(self) -> Self:
        if self.normalise and self.margin > 2:
            raise ValueError(f"margin {self.margin:g}: normalised embeddings are at most 2 apart; write 2 or less")
        return self


class TripletConfig(MethodBase):
    """Triplet loss (Schroff et al. 2015, Hermans et al. 2017): other clips farther than the other view, by a margin."""

    family = "distance"
    paper = "Schroff et al. 2015"
    name: Literal["triplet"] = "triplet"
    mining: Literal["all", "batch_hard", "semi_hard"] = "semi_hard"
    """all triplets of a batch; each view's farthest positive and nearest negative (batch_hard); or of each pair the
    nearest negative beyond the positive (semi_hard)."""
    margin: Positive | Literal["soft"] = 0.2
    """soft: log(1 + exp(difference)) in place of the hinge, which goes on pulling beyond any margin."""
    squared: bool = True
    """Whether distances are squared, as Schroff et al. do; Hermans et al. do not."""
    active_only: bool = False
    """Whether the mean is taken over the triplets with a loss above 0 only, so that easy ones do not dilute it."""
    normalise: bool = True
    """Whether embeddings are L2-normalised; batch_hard wants false, as in Hermans et al., or the projections stay
    close to each other."""
    head: HeadSpec = "128"


class DistanceWeightedConfig(MethodBase):
    """Distance-weighted margin loss (Wu et al. 2017): negatives drawn evenly over all distances, a boundary learnt."""

    family = "distance"
    paper = "Wu et al. 2017"
    name: Literal["distance_weighted"] = "distance_weighted"
    margin: Positive = 0.2
    """alpha of the paper, on either side of the boundary."""
    boundary: Positive = 1.2
    """beta of the paper at the start: pairs are told apart by this distance, which is learnt."""
    boundary_rate: Positive = 1.0
    """The boundary's learning rate, times the recipe's."""
    cutoff: ShortOfOpposite = 0.5
    """Distances below it are drawn as if they were it: the nearest negatives have the noisiest gradients."""
    far: ShortOfOpposite = 1.4
    """Negatives as far as this or farther are never drawn, unless a clip has no others."""
    head: HeadSpec = "128"
    """Projection head; its output is L2-normalised."""

    @model_validator(mode="after")
    def _cutoff_before_far(self) -> Self:
        if self.cutoff >= self.far:
            raise ValueError(f"cutoff {self.cutoff:g} is not below far {self.far:g}; no negative could be drawn")
        return self

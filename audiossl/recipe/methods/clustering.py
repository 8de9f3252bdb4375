"""Clustering: clips are told which cluster they belong to, all clusters kept in use. Defaults are the papers'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Auto, Count, NonNegative, Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase

Clusters = Annotated[int, Field(ge=2)] | Auto
Zero = Annotated[int, Field(ge=0)]
"""Of things of which there may be none."""


class MultiCropConfig(MethodBase):
    """What SwAV and DeepCluster-v2 share: small crops beside two whole views, and a head of one norm."""

    family = "clustering"
    needs = "two views of a clip, and short ones"
    short_crops: Zero = 6
    """Small views of each clip beside the two whole ones; they are told clusters and never say them."""
    short_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Their length, or their side, as a share of a whole view's."""
    temperature: Positive = 0.1
    head: HeadSpec = "2048 bn relu 128"
    """Projection head; its output is L2-normalised."""


class SwavConfig(MultiCropConfig):
    """SwAV (Caron et al. 2020): each view predicts the other's cluster, all clusters kept equally full by transport."""

    paper = "Caron et al. 2020"
    name: Literal["swav"] = "swav"
    prototypes: Clusters = "auto"
    """Clusters; 3,000 in the paper."""
    epsilon: Positive = 0.05
    """Weight of the entropy of the codes; a larger one makes them softer."""
    iterations: Count = 3
    """Of Sinkhorn's algorithm."""
    queue: Zero | Auto = "auto"
    """Earlier embeddings that take part in sharing out the prototypes, rows for each view; 3,840 in the paper, 0 for
    none. Batch and queue together should hold at least as many rows as there are prototypes."""
    queue_start: NonNegative = 15.0
    """Epochs before the queue is used."""
    freeze_steps: Zero | Auto = "auto"
    """Steps at first in which the prototypes stay as they were drawn; 313 in the paper."""


class DeepClusterConfig(MultiCropConfig):
    """DeepCluster-v2 (Caron et al. 2018, 2020): every epoch k-means over all clips says which cluster to predict."""

    paper = "Caron et al. 2020"
    name: Literal["deepcluster_v2"] = "deepcluster_v2"
    clusters: Clusters = "auto"
    """Of each head; 3,000 in the paper."""
    heads: Count = 3
    """Clusterings, each from other first centres."""
    iterations: Count = 10
    """Of k-means."""


class SelaConfig(MethodBase):
    """SeLA (Asano et al. 2020): clips are labelled by a transport that fills all classes equally, and predict it."""

    family = "clustering"
    paper = "Asano et al. 2020"
    needs = "one view of a clip"
    name: Literal["sela"] = "sela"
    clusters: Clusters = "auto"
    """Classes of each head; 3,000 in the paper."""
    heads: Count = 1
    """Labellings, each with a classifier of its own; up to 10 in the paper."""
    sharpness: Positive = 25.0
    """lambda of the paper: the larger, the nearer the transport is to the best hard labelling."""
    updates: Count = 100
    """Labellings in the whole run, before epochs: dense at first, at the squares of equally spaced times."""
    iterations: Count = 1000
    """Of Sinkhorn's algorithm at most."""
    tolerance: Positive = 0.1
    """It stops once every class holds its share but for this part of it."""

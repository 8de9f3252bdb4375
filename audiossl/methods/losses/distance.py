"""Losses on the distances between embeddings.

Rows of one identity are views of one clip; no label is ever an identity.
Shapes: R rows, D embedding size, T triplets.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.mining import Triplets
from audiossl.methods.losses.precision import full_precision


@full_precision
def distances(z_RD: Tensor, *, normalise: bool = False) -> Tensor:
    """Euclidean distances (R, R), of rows L2-normalised first if told; between equal rows 0, with gradient 0."""
    # Not by way of inner products: their rounding would put equal rows at 3e-4 from each other.
    z_RD = F.normalize(z_RD, dim=1) if normalise else z_RD
    return torch.cdist(z_RD, z_RD, compute_mode="donot_use_mm_for_euclid_dist")


@full_precision
def margin_contrastive(distance_P: Tensor, dissimilar_P: Tensor, margin: float) -> Tensor:
    """The contrastive loss of Hadsell et al. 2006, eq. 4, with their labels: y = 0 is similar.

    The mean over pairs of (1 - y) d^2 / 2 + y max(0, margin - d)^2 / 2. Dissimilar pairs at
    one point give margin^2 / 2.

    Args:
        distance_P: of each pair.
        dissimilar_P: y, bool.
        margin: beyond it a dissimilar pair has neither loss nor gradient.

    Returns:
        A scalar.
    """
    apart_P = (margin - distance_P).clamp(min=0)
    return torch.where(dissimilar_P, apart_P, distance_P).square().mean() / 2


@full_precision
def triplet(
    distance_RR: Tensor,
    triplets: Triplets,
    margin: float | Literal["soft"],
    *,
    squared: bool = False,
    active_only: bool = False,
) -> Tensor:
    """The mean of max(0, d(anchor, positive) - d(anchor, negative) + margin) (Schroff et al. 2015).

    With the margin "soft", of log(1 + exp(d(anchor, positive) - d(anchor, negative))) (Hermans et al. 2017). All
    embeddings equal gives the margin, or log 2.

    Args:
        distance_RR: `distances`.
        triplets: rows of `distance_RR`.
        margin: above 0, or "soft".
        squared: whether d is the squared distance.
        active_only: whether the mean is over triplets with a loss above 0; where there is none it is 0.

    Returns:
        A scalar.
    """
    d_RR = distance_RR.square() if squared else distance_RR
    difference_T = d_RR[triplets.anchor, triplets.positive] - d_RR[triplets.anchor, triplets.negative]
    loss_T = F.softplus(difference_T) if margin == "soft" else (difference_T + margin).clamp(min=0)
    return loss_T.sum() / (loss_T > 0).sum().clamp(min=1) if active_only else loss_T.mean()


@full_precision
def boundary_margin(distance_RR: Tensor, triplets: Triplets, boundary: Tensor, margin: float) -> Tensor:
    """The margin loss of Wu et al. 2017: positives nearer than a learnt boundary, negatives farther, by a margin.

    The sum over triplets of max(0, d(anchor, positive) - boundary + margin) and max(0, boundary + margin - d(anchor,
    negative)), over the number of such terms above 0.

    Args:
        distance_RR: `distances` of normalised embeddings.
        triplets: rows of `distance_RR`.
        boundary: beta of the paper, a scalar that is learnt.
        margin: alpha of the paper.

    Returns:
        A scalar; 0 where every term is.
    """
    near_T = (distance_RR[triplets.anchor, triplets.positive] - boundary + margin).clamp(min=0)
    far_T = (boundary + margin - distance_RR[triplets.anchor, triplets.negative]).clamp(min=0)
    terms = torch.cat([near_T, far_T])
    return terms.sum() / (terms > 0).sum().clamp(min=1)

"""Which triplets of a batch a loss is taken over. Positives are other rows of the anchor's identity: views of its clip.

Shapes: R rows, T triplets.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Triplets(NamedTuple):
    """Row numbers (T,) of anchors, of their positives and of their negatives."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def all_triplets(distance_RR: Tensor, identity_R: Tensor) -> Triplets:
    """Every anchor with every positive and every negative."""
    anchor, positive = _positive_pairs(identity_R)
    pair, negative = _different(identity_R)[anchor].nonzero(as_tuple=True)
    return Triplets(anchor[pair], positive[pair], negative)


@torch.no_grad()
def batch_hard(distance_RR: Tensor, identity_R: Tensor) -> Triplets:
    """Every row with its farthest positive and its nearest negative (Hermans et al. 2017)."""
    rows = torch.arange(len(identity_R), device=identity_R.device)
    different = _different(identity_R)
    itself = rows[:, None] == rows
    return Triplets(
        rows,
        distance_RR.masked_fill(different | itself, -torch.inf).argmax(1),
        distance_RR.masked_fill(~different, torch.inf).argmin(1),
    )


@torch.no_grad()
def semi_hard(distance_RR: Tensor, identity_R: Tensor) -> Triplets:
    """Every positive pair with the nearest negative that is farther than the positive (Schroff et al. 2015).

    Where all negatives are nearer, with the farthest of them.
    """
    anchor, positive = _positive_pairs(identity_R)
    d_PR, different_PR = distance_RR[anchor], _different(identity_R)[anchor]
    beyond_PR = different_PR & (d_PR > distance_RR[anchor, positive, None])
    nearest_P = d_PR.masked_fill(~beyond_PR, torch.inf).argmin(1)
    farthest_P = d_PR.masked_fill(~different_PR, -torch.inf).argmax(1)
    return Triplets(anchor, positive, torch.where(beyond_PR.any(1), nearest_P, farthest_P))


@torch.no_grad()
def distance_weights(distance_RR: Tensor, identity_R: Tensor, dim: int, cutoff: float, far: float) -> Tensor:
    """How likely each row is drawn as an anchor's negative, (R, R), rows summing to 1 (Wu et al. 2017).

    The inverse of q(d) = d^(dim - 2) (1 - d^2 / 4)^((dim - 3) / 2), the density of distances between even points of a
    sphere, so that all distances between `cutoff` and `far` are drawn equally often. An anchor of which every negative
    is farther than that takes any of them.

    Args:
        distance_RR: between normalised embeddings.
        identity_R: rows of the anchor's own identity weigh 0.
        dim: of the embeddings.
        cutoff: smaller distances are taken as this.
        far: negatives at this distance or beyond weigh 0; below 2.
    """
    different = _different(identity_R)
    d_RR = distance_RR.clamp(cutoff, far)
    log_weight = (2 - dim) * d_RR.log() + (3 - dim) / 2 * (1 - d_RR.square() / 4).log()
    near = different & (distance_RR < far)
    log_weight = torch.where(near.any(1, keepdim=True), log_weight.masked_fill(~near, -torch.inf), 0.0)
    return log_weight.masked_fill(~different, -torch.inf).softmax(1)


@torch.no_grad()
def distance_weighted(distance_RR: Tensor, identity_R: Tensor, dim: int, cutoff: float, far: float) -> Triplets:
    """Every positive pair with one negative drawn by `distance_weights`, from torch's global generator."""
    anchor, positive = _positive_pairs(identity_R)
    weights_RR = distance_weights(distance_RR, identity_R, dim, cutoff, far)
    return Triplets(anchor, positive, torch.multinomial(weights_RR[anchor], 1).squeeze(1))


def _different(identity_R: Tensor) -> Tensor:
    return identity_R[:, None] != identity_R


def _positive_pairs(identity_R: Tensor) -> tuple[Tensor, Tensor]:
    """Every two rows of one identity, in both orders."""
    same = ~_different(identity_R)
    anchor, positive = same.fill_diagonal_(False).nonzero(as_tuple=True)
    return anchor, positive

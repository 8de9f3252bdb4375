"""Losses of methods that predict clusters. Shapes: N clips, K clusters, D embedding size, H heads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.precision import full_precision


@full_precision
def cosine_scores(z_ND: Tensor, prototypes_KD: Tensor) -> Tensor:
    """Products (N, K) of L2-normalised embeddings with prototypes, which are taken as they are."""
    return F.normalize(z_ND, dim=1) @ prototypes_KD.T


@full_precision
def swapped_prediction(scores: list[Tensor], codes: list[Tensor], temperature: float) -> Tensor:
    """The loss of SwAV (Caron et al. 2020): every view predicts the codes of every other whole view.

    The mean over pairs of a whole view u and any other view v of -sum_k q_u log softmax(scores_v / temperature).
    Equal scores give log K.

    Args:
        scores: (N, K) of each view, whole ones first.
        codes: (N, K) of the whole views, rows sum to 1.
        temperature: divides the scores; above 0.

    Returns:
        A scalar.
    """
    pairs = [(q, s) for u, q in enumerate(codes) for v, s in enumerate(scores) if u != v]
    return torch.stack([F.cross_entropy(s / temperature, q) for q, s in pairs]).mean()


@full_precision
def cluster_prediction(scores: list[Tensor], labels_NH: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of given clusters, the mean over clips, heads and views (DeepCluster-v2, SeLA).

    Args:
        scores: (N, H, K) of each view.
        labels_NH: the cluster of every clip by every head.
        temperature: divides the scores; above 0.

    Returns:
        A scalar.
    """
    return torch.stack([F.cross_entropy(s.mT / temperature, labels_NH) for s in scores]).mean()

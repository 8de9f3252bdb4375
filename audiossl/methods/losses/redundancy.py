"""Losses that compare the dimensions of an embedding. Shapes: N pairs, D embedding size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.precision import full_precision


@full_precision
def barlow_twins(z1_ND: Tensor, z2_ND: Tensor, off_diagonal_weight: float) -> Tensor:
    """The loss of Barlow Twins (Zbontar et al. 2021): distance of the views' cross-correlation from the identity.

    With c = standardised(z1).T @ standardised(z2) / N (biased variance, epsilon 1e-5):
    sum_i (1 - c_ii)^2 + off_diagonal_weight * sum_{i != j} c_ij^2. Constant embeddings give D.

    Args:
        z1_ND: first view.
        z2_ND: second view.
        off_diagonal_weight: lambda of the paper.

    Returns:
        A scalar.
    """
    c_DD = _standardise(z1_ND).T @ _standardise(z2_ND) / len(z1_ND)
    diagonal = c_DD.diagonal()
    off_diagonal = c_DD.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + off_diagonal_weight * off_diagonal


def _standardise(z_ND: Tensor) -> Tensor:
    variance, mean = torch.var_mean(z_ND, dim=0, correction=0)
    return (z_ND - mean) * (variance + 1e-5).rsqrt()


@full_precision
def vicreg(z1_ND: Tensor, z2_ND: Tensor, invariance: float, variance: float, covariance: float) -> Tensor:
    """The loss of VICReg (Bardes et al. 2022) as in its public code, where the variance of the two views is averaged.

    invariance * mean((z1 - z2)^2) + variance * mean of relu(1 - sqrt(var + 1e-4)) over dimensions and views
    + covariance * sum over views of sum_{i != j} cov_ij^2 / D. The paper's equation 6 adds the views' variances
    instead: that is twice the weight. Embeddings of zero give 0.99 * variance.

    Args:
        z1_ND: first view, not normalised; at least two rows.
        z2_ND: second view.
        invariance: lambda of the paper.
        variance: mu of the paper.
        covariance: nu of the paper.

    Returns:
        A scalar.
    """
    (short1, shared1), (short2, shared2) = _spread(z1_ND), _spread(z2_ND)
    distance = F.mse_loss(z1_ND, z2_ND)
    return invariance * distance + variance * (short1 + short2) / 2 + covariance * (shared1 + shared2)


def _spread(z_ND: Tensor) -> tuple[Tensor, Tensor]:
    """By how much a dimension's deviation falls short of 1, on average, and sum_{i != j} cov_ij^2 / D."""
    centred = z_ND - z_ND.mean(dim=0)
    deviation = (centred.var(dim=0) + 1e-4).sqrt()
    cov_DD = centred.T @ centred / (len(centred) - 1)
    off_diagonal = cov_DD.square().sum() - cov_DD.diagonal().square().sum()
    return F.relu(1 - deviation).mean(), off_diagonal / z_ND.shape[1]

"""Losses that compare the dimensions of an embedding. Shapes: N pairs, D embedding size."""

from __future__ import annotations

import torch
from torch import Tensor

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

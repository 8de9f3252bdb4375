"""Losses as pure functions on tensors: no state, no ranks, float32 (or float64) inside whatever comes in.

Shapes: N pairs, D embedding size, z_ND one embedding per row, row n of both views belonging to the same clip.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

P = ParamSpec("P")
ROWS_AT_ONCE = 2048
"""NT-Xent computes its similarities in blocks of so many rows, and again in the backward pass: O(rows * N) memory."""


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Run `loss` outside autocast with half-precision tensors widened to float32."""

    @wraps(loss)
    def wide(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        widened = tuple(
            a.float() if isinstance(a, Tensor) and a.dtype in (torch.half, torch.bfloat16) else a for a in args
        )
        device = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
        with torch.autocast(device, enabled=False):
            return loss(*widened, **kwargs)  # type: ignore[arg-type]

    return wide


@full_precision
def ntxent(z1_ND: Tensor, z2_ND: Tensor, temperature: float) -> Tensor:
    """NT-Xent, the loss of SimCLR (Chen et al. 2020) and of Fonseca et al. 2021.

    The mean over 2N anchors of -log softmax of the partner's cosine similarity / temperature among the 2N - 1 other
    embeddings. All embeddings equal gives log(2N - 1).

    Args:
        z1_ND: first view, not necessarily normalised.
        z2_ND: second view.
        temperature: divides the similarities; above 0.

    Returns:
        A scalar.
    """
    z = F.normalize(torch.cat([z1_ND, z2_ND]), dim=1)
    rows, half = len(z), len(z1_ND)
    partner = torch.arange(rows, device=z.device).roll(half)

    def block(start: int, z: Tensor) -> Tensor:
        logits = z[start : start + ROWS_AT_ONCE] @ z.T / temperature
        own = torch.arange(start, start + len(logits), device=z.device)
        logits = logits.masked_fill(F.one_hot(own, rows).bool(), -torch.inf)
        return F.cross_entropy(logits, partner[own], reduction="sum")

    if rows <= ROWS_AT_ONCE:
        return block(0, z) / rows
    sums = [checkpoint(block, start, z, use_reentrant=False) for start in range(0, rows, ROWS_AT_ONCE)]
    return torch.stack(sums).sum() / rows


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

"""Losses that compare a clip with the other clips of its batch, a queue or a bank.

Shapes: N pairs, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from audiossl.methods.losses.precision import full_precision

ROWS_AT_ONCE = 2048
"""NT-Xent computes its similarities in blocks of so many rows, and again in the backward pass: O(rows * N) memory."""


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
def info_nce(anchor_ND: Tensor, candidate_MD: Tensor, temperature: float | Tensor) -> Tensor:
    """One-way InfoNCE (van den Oord et al. 2018) with the other clips of the batch as negatives.

    The mean over anchors of -log softmax of the similarity with the candidate of the same row among all M candidates.
    All embeddings equal gives log M.

    Args:
        anchor_ND: not necessarily normalised.
        candidate_MD: row n belongs to anchor n; rows beyond N are negatives only.
        temperature: divides the cosine similarities; above 0. A tensor where it is learnt.

    Returns:
        A scalar.
    """
    logits_NM = F.normalize(anchor_ND, dim=1) @ F.normalize(candidate_MD, dim=1).T / temperature
    return F.cross_entropy(logits_NM, torch.arange(len(anchor_ND), device=logits_NM.device))


@full_precision
def symmetric_info_nce(a_ND: Tensor, b_ND: Tensor, temperature: float | Tensor) -> Tensor:
    """The loss of CLIP (Radford et al. 2021): the mean of InfoNCE from a to b and from b to a.

    All embeddings equal gives log N.

    Args:
        a_ND: one side of the pairs, not necessarily normalised.
        b_ND: the other side; row n belongs to row n of `a_ND`.
        temperature: divides the cosine similarities; above 0. A tensor where it is learnt.

    Returns:
        A scalar.
    """
    return (info_nce(a_ND, b_ND, temperature) + info_nce(b_ND, a_ND, temperature)) / 2

"""Losses that compare a clip with the other clips of its batch, a queue or a bank.

Shapes: N pairs, D embedding size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from audiossl.methods.losses.precision import full_precision

ROWS_AT_ONCE = 2048
"""SimCLR computes so many rows of similarities at a time, and again in the backward pass: O(rows * N) memory."""


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
    return _mean_over_anchors(z1_ND, z2_ND, temperature, partial(F.cross_entropy, reduction="sum"))


@full_precision
def decoupled(z1_ND: Tensor, z2_ND: Tensor, temperature: float, sigma: float | None = None) -> Tensor:
    """Decoupled contrastive loss (Yeh et al. 2021): NT-Xent without the partner in the denominator.

    Softplus of one anchor's term is its NT-Xent; the loss may be negative. With `sigma`, pairs that already agree pull
    less: pair n weighs 2 - N softmax_n(cosine / sigma), without gradient, and the weights' mean is 1.

    Args:
        z1_ND: first view, not necessarily normalised, N >= 2.
        z2_ND: second view.
        temperature: divides the similarities; above 0.
        sigma: of the weights' von Mises-Fisher form; None weighs all pairs 1.

    Returns:
        A scalar.
    """
    weight_N = torch.ones_like(z1_ND[:, 0])
    if sigma is not None:
        weight_N = 2 - len(z1_ND) * F.softmax(F.cosine_similarity(z1_ND, z2_ND).detach() / sigma, dim=0)

    def anchors(logits_RM: Tensor, partner_R: Tensor) -> Tensor:
        positive_R, negative_RM = _apart(logits_RM, partner_R)
        return (negative_RM.logsumexp(1) - weight_N[partner_R % len(weight_N)] * positive_R).sum()

    return _mean_over_anchors(z1_ND, z2_ND, temperature, anchors)


@full_precision
def hard_negatives(z1_ND: Tensor, z2_ND: Tensor, temperature: float, tau_plus: float, beta: float) -> Tensor:
    """Debiased contrast with hard negatives (Robinson et al. 2021); with beta = 0, debiased (Chuang et al. 2020).

    With s the similarities / temperature and M = 2N - 2, NT-Xent's sum over the negatives becomes
    (M sum_j softmax_j(beta s) exp(s_j) - tau_plus M exp(s_partner)) / (1 - tau_plus), at least M exp(-1 / temperature).
    Both parameters 0 give NT-Xent.

    Args:
        z1_ND: first view, not necessarily normalised, N >= 2.
        z2_ND: second view.
        temperature: divides the similarities; above 0.
        tau_plus: probability that a negative is of the anchor's own class; below 1.
        beta: how much more the hard negatives count; from 0 (all alike).

    Returns:
        A scalar.
    """
    count = 2 * len(z1_ND) - 2
    floor = math.log(count) - 1 / temperature

    def anchors(logits_RM: Tensor, partner_R: Tensor) -> Tensor:
        positive_R, negative_RM = _apart(logits_RM, partner_R)
        log_sum_R = ((1 + beta) * negative_RM).logsumexp(1)
        if beta:
            log_sum_R = log_sum_R - (beta * negative_RM).logsumexp(1) + math.log(count)
        if tau_plus:
            # log(exp(sum) - exp(bias)), of which the branch that is not taken must have a finite gradient too
            gap_R = math.log(tau_plus * count) + positive_R - log_sum_R
            barely = -torch.finfo(gap_R.dtype).eps
            log_sum_R = torch.where(gap_R < barely, log_sum_R + (-gap_R.clamp(max=barely).expm1()).log(), -torch.inf)
            log_sum_R = (log_sum_R - math.log(1 - tau_plus)).clamp(min=floor)
        return F.softplus(log_sum_R - positive_R).sum()

    return _mean_over_anchors(z1_ND, z2_ND, temperature, anchors)


def _mean_over_anchors(
    z1_ND: Tensor, z2_ND: Tensor, temperature: float, anchors: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The mean over 2N anchors of what `anchors` sums over R of them.

    It is given their logits (R, 2N), -inf for an anchor itself, and the columns (R,) of their partners.
    """
    z = F.normalize(torch.cat([z1_ND, z2_ND]), dim=1)
    rows, half = len(z), len(z1_ND)
    partner = torch.arange(rows, device=z.device).roll(half)

    def block(start: int, z: Tensor) -> Tensor:
        logits = z[start : start + ROWS_AT_ONCE] @ z.T / temperature
        own = torch.arange(start, start + len(logits), device=z.device)
        logits = logits.masked_fill(F.one_hot(own, rows).bool(), -torch.inf)
        return anchors(logits, partner[own])

    if rows <= ROWS_AT_ONCE:
        return block(0, z) / rows
    sums = [checkpoint(block, start, z, use_reentrant=False) for start in range(0, rows, ROWS_AT_ONCE)]
    return torch.stack(sums).sum() / rows


def _apart(logits_RM: Tensor, partner_R: Tensor) -> tuple[Tensor, Tensor]:
    """The partners' logits (R,), and all logits with -inf in their place."""
    column_R1 = partner_R[:, None]
    return logits_RM.gather(1, column_R1).squeeze(1), logits_RM.scatter(1, column_R1, -torch.inf)


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


@full_precision
def bilinear_info_nce(anchor_ND: Tensor, candidate_MD: Tensor, weight_DD: Tensor) -> Tensor:
    """The loss of COLA (Saeed et al. 2021): InfoNCE in one direction with the similarity a^T W b, no temperature.

    Args:
        anchor_ND: taken as it comes.
        candidate_MD: row n belongs to anchor n; rows beyond N are negatives only.
        weight_DD: W, learnt.

    Returns:
        A scalar.
    """
    logits_NM = anchor_ND @ weight_DD @ candidate_MD.T
    return F.cross_entropy(logits_NM, torch.arange(len(anchor_ND), device=logits_NM.device))


@full_precision
def bank_scores(z_ND: Tensor, bank_MD: Tensor, temperature: float) -> Tensor:
    """Cosine similarities / temperature (N, M) with the rows of a bank, which get no gradient (NPID, Wu et al. 2018).

    The softmax form of NPID is their cross-entropy.

    Args:
        z_ND: not necessarily normalised.
        bank_MD: normalised.
        temperature: above 0.
    """
    return F.normalize(z_ND, dim=1) @ bank_MD.detach().T / temperature


@full_precision
def instance_nce(scores_NC: Tensor, log_z: Tensor, items: int) -> Tensor:
    """Noise-contrastive estimation of NPID's softmax (Wu et al. 2018, after Gutmann and Hyvarinen 2010).

    With P = exp(score) / Z and h = P / (P + K / items), the mean over clips of -log h of the clip's own row and
    -log(1 - h) summed over K negatives. Where P is 1 / items everywhere: log(1 + K) + K log(1 + 1 / K).

    Args:
        scores_NC: `bank_scores` of the clip's own row, then of the K that were drawn evenly from the bank.
        log_z: scalar, log of the constant that is the softmax's denominator.
        items: rows of the bank.

    Returns:
        A scalar.
    """
    logits_NC = scores_NC - log_z - math.log((scores_NC.shape[1] - 1) / items)
    return (F.softplus(-logits_NC[:, 0]) + F.softplus(logits_NC[:, 1:]).sum(1)).mean()

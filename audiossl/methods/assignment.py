"""Who belongs to which cluster: optimal transport (Sinkhorn) and spherical k-means, on tensors of any device.

Shapes: N samples, K prototypes or clusters, D embedding size. Equal inputs give equal results, on a GPU too: nothing
is summed by atomic additions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.precision import full_precision

ROWS_AT_ONCE = 8192
"""k-means compares so many rows with all centres at a time."""


@torch.no_grad()
@full_precision
def sinkhorn(scores_NK: Tensor, epsilon: float, iterations: int, tolerance: float = 0.0) -> Tensor:
    """Codes that share the samples equally among the prototypes (Cuturi 2013; SwAV, Caron et al. 2020).

    Q = exp(scores / epsilon), normalised in turn over the samples of each prototype and over the prototypes of each
    sample, in the log domain. As the prototypes come first, a constant added to all scores of one prototype changes
    nothing at any number of iterations; one added to a sample's scores cancels only in the limit.

    Args:
        scores_NK: of the samples of all ranks together.
        epsilon: weight of the entropy, above 0; SeLA's (Asano et al. 2020) lambda is 1 / epsilon.
        iterations: at least 1; three are far from convergence, as SwAV wants it.
        tolerance: stop earlier, once every prototype's sum is within this share of N / K.

    Returns:
        Q (N, K), float32 (float64 for such scores), without gradient. Its rows sum to 1, its columns in the limit to
        N / K.
    """
    n, k = scores_NK.shape
    log_q = scores_NK / epsilon
    sums_K = log_q.logsumexp(dim=0)
    for _ in range(iterations):
        log_q = (log_q - sums_K).log_softmax(dim=1)
        sums_K = log_q.logsumexp(dim=0)
        if tolerance and (sums_K.exp() * k / n - 1).abs().max() <= tolerance:
            break
    return log_q.exp()


def random_rows(x_ND: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """`k` different rows of `x_ND`, k at most N, drawn from a generator on the CPU: where k-means starts."""
    return x_ND[torch.randperm(len(x_ND), generator=generator)[:k].to(x_ND.device)]


@torch.no_grad()
@full_precision
def spherical_kmeans(x_ND: Tensor, centres_KD: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """k-means by cosine similarity (Dhillon and Modha 2001): centres are the normalised means of their rows.

    A cluster that lost its rows starts again at the row that is farthest from its own centre, so that none is empty.

    Args:
        x_ND: L2-normalised rows, at least K.
        centres_KD: L2-normalised, where to start.
        iterations: updates of the centres.

    Returns:
        The centres (K, D) and, for each row, the nearest of them (N,).
    """
    labels_N, centres_KD = _assign(x_ND, centres_KD)
    for _ in range(iterations):
        labels_N, centres_KD = _assign(x_ND, F.normalize(_sums(x_ND, labels_N, len(centres_KD)), dim=1))
    return centres_KD, labels_N


def _assign(x_ND: Tensor, centres_KD: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of every row, and the centres, of which those without rows have moved to lonely rows."""
    nearest = [(rows @ centres_KD.T).max(dim=1) for rows in torch.split(x_ND, ROWS_AT_ONCE)]
    similarity_N, labels_N = torch.cat([part[0] for part in nearest]), torch.cat([part[1] for part in nearest])
    empty = torch.bincount(labels_N, minlength=len(centres_KD)) == 0
    if empty.any():
        lonely = _lonely(similarity_N, labels_N, len(centres_KD))[: int(empty.sum())]
        labels_N[lonely] = empty.nonzero()[:, 0]
        centres_KD = centres_KD.index_copy(0, labels_N[lonely], x_ND[lonely])
    return labels_N, centres_KD


def _lonely(similarity_N: Tensor, labels_N: Tensor, k: int) -> Tensor:
    """Rows from the least similar to its own centre onwards, but for the best of each cluster: nobody is left empty."""
    best_first = similarity_N.argsort(descending=True, stable=True)
    places = torch.arange(len(labels_N), device=labels_N.device)
    beyond = labels_N.new_full((k,), len(labels_N))
    place_K = beyond.scatter_reduce(0, labels_N[best_first], places, "amin")
    return best_first[~torch.isin(places, place_K)].flip(0)


def _sums(x_ND: Tensor, labels_N: Tensor, k: int) -> Tensor:
    """The sum of each cluster's rows (K, D), as a product because additions by index have no order on a GPU."""
    sums_KD, clusters = x_ND.new_zeros(k, x_ND.shape[1]), torch.arange(k, device=x_ND.device)
    for rows, labels in zip(torch.split(x_ND, ROWS_AT_ONCE), torch.split(labels_N, ROWS_AT_ONCE), strict=True):
        sums_KD += (labels == clusters[:, None]).to(rows.dtype) @ rows
    return sums_KD

"""What is measured: accuracies, a bootstrap that respects groups, and how an embedding uses the sphere. Pure NumPy.

Effective rank and deviation are those of the training monitors.

Letters: N items, K classes, D embedding dimensions, R bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DRAWS_AT_ONCE = 1 << 22


def confusion(truth_N: Ints, predicted_N: Ints, n_classes: int, times_N: Floats | None = None) -> Ints:
    """Counts (K, K): row = true class, column = predicted class; each item once, or as often as `times_N` says."""
    flat = np.bincount(truth_N * n_classes + predicted_N, times_N, minlength=n_classes * n_classes)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def accuracy(counts_KK: Ints) -> float:
    """Share of items on the diagonal of a confusion matrix."""
    return float(np.trace(counts_KK) / counts_KK.sum())


def class_accuracies(counts_KK: Ints) -> Floats:
    """Accuracy within each true class (K,); NaN for a class without items."""
    totals_K = counts_KK.sum(axis=1)
    shares_K = np.full(len(totals_K), np.nan)
    np.divide(np.diag(counts_KK), totals_K, out=shares_K, where=totals_K > 0)
    return shares_K


def macro_accuracy(counts_KK: Ints) -> float:
    """Mean over the classes that occur of the accuracy within the class (also called balanced accuracy)."""
    return float(np.nanmean(class_accuracies(counts_KK)))


def fold_bootstrap(
    values_N: Floats,
    groups: Sequence[Ints],
    indices: Sequence[Ints],
    draws: int,
    rng: np.random.Generator,
    classes_N: Ints | None = None,
) -> Floats:
    """Bootstrap the mean over folds of the mean of `values_N` within a fold, drawing whole groups.

    Items of one recording succeed and fail together, so groups are drawn, not items; folds stay as they are.

    Args:
        values_N: one value per item, for example 1 where the prediction was right.
        groups: for each fold, the group of each of its items.
        indices: for each fold, which items it tests.
        draws: number of bootstrap draws R.
        rng: where the draws come from.
        classes_N: the mean within a fold is the mean over the classes drawn of the mean within the class: of what was
            right, macro accuracy.

    Returns:
        The R bootstrapped means; none where every fold is one group, so that each draw would be the same.
    """
    if one_group_each(groups):
        return np.empty(0)
    classes_N = np.zeros(len(values_N), np.int64) if classes_N is None else classes_N
    total_R = np.zeros(draws)
    for fold_groups, fold_items in zip(groups, indices, strict=True):
        _, group_N = np.unique(fold_groups, return_inverse=True)
        _, class_N = np.unique(classes_N[fold_items], return_inverse=True)
        n, k = int(group_N.max()) + 1, int(class_N.max()) + 1
        cell_N = group_N * k + class_N
        sizes_GK = np.bincount(cell_N, minlength=n * k).reshape(n, k).astype(float)
        sums_GK = np.bincount(cell_N, weights=values_N[fold_items], minlength=n * k).reshape(n, k)
        # A chunk at a time: draws x groups counts of a large test set would not fit in memory.
        step = max(1, DRAWS_AT_ONCE // max(n, k))
        for start in range(0, draws, step):
            stop = min(draws, start + step)
            times_RG = rng.multinomial(n, np.full(n, 1 / n), size=stop - start)
            drawn_RK = times_RG @ sizes_GK
            means_RK = np.divide(times_RG @ sums_GK, drawn_RK, out=np.zeros_like(drawn_RK), where=drawn_RK > 0)
            total_R[start:stop] += means_RK.sum(axis=1) / (drawn_RK > 0).sum(axis=1)
    return total_R / len(indices)


def one_group_each(groups: Sequence[Ints]) -> bool:
    """Whether every fold is one single group, which tells nothing of how much scores vary."""
    return all(len(np.unique(fold_groups)) == 1 for fold_groups in groups)


def interval(draws_R: Floats, level: float) -> tuple[float, float] | None:
    """The central interval that holds `level` of the bootstrap draws; None without any."""
    if not len(draws_R):
        return None
    low, high = np.quantile(draws_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _unit(z_ND: Floats) -> Floats:
    norm_N1 = np.linalg.norm(z_ND, axis=1, keepdims=True)
    return z_ND / np.where(norm_N1 > 0, norm_N1, 1.0)


def alignment(a_ND: Floats, b_ND: Floats, power: float = 2.0) -> float:
    """Mean distance to `power` of L2-normalised positive pairs (Wang and Isola 2020); 0 is best."""
    distance_N = np.linalg.norm(_unit(a_ND) - _unit(b_ND), axis=1)
    return float((distance_N**power).mean())


def uniformity(z_ND: Floats, t: float = 2.0) -> float:
    """Log of the mean of exp(-t d^2) over all pairs of L2-normalised embeddings (Wang and Isola 2020).

    0 when all embeddings are one point; more negative is more uniform. Needs N >= 2.
    """
    unit_ND = _unit(z_ND.astype(np.float64))
    upper = np.triu_indices(len(unit_ND), k=1)
    squared = 2.0 - 2.0 * np.clip(unit_ND @ unit_ND.T, -1.0, 1.0)[upper]
    exponents = -t * squared
    top = exponents.max()
    return float(top + np.log(np.exp(exponents - top).mean()))

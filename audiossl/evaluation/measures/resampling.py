"""Intervals of metrics that are no mean over items: the metric itself is measured anew on every bootstrap draw.

Letters: N items of a fold, G groups, R draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.measures.metrics import one_group_each

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Metric = Callable[[Floats | None], float]
"""A metric as a function of the items' weights (N,): how often each was drawn. None is once each."""

ENTRIES = 4e8
"""Scores that all draws together may weigh; 200 classes of 10,000 items leave 200 draws, which take some 4 seconds."""
FEWEST = 200


def affordable(draws: int, entries: int) -> int:
    """As many of `draws` as can be had of a metric that weighs `entries` scores, but no fewer than `FEWEST`."""
    return min(draws, max(FEWEST, int(ENTRIES / max(1, entries))))


def resampled(
    folds: Sequence[Sequence[Metric]], groups: Sequence[Ints], draws: int, rng: np.random.Generator
) -> Floats:
    """The mean over folds of a metric on `draws` bootstrap draws, each of whole groups of a fold's items.

    Items of one recording succeed and fail together, so groups are drawn, not items; folds stay as they are. The
    draws depend on groups and `rng` alone: two encoders measured on the same draws can be compared draw by draw.

    Args:
        folds: of each fold the metric, once for every repeat, whose mean counts.
        groups: of each fold the group of each item (N,).
        draws: how many.
        rng: where the draws come from.

    Returns:
        Those of the `draws` values in which every fold has what the metric needs, for example a positive item; none
        where every fold is one group.
    """
    if one_group_each(groups):
        return np.empty(0)
    total_R = np.zeros(draws)
    for repeats, of_items in zip(folds, groups, strict=True):
        _, group_N = np.unique(of_items, return_inverse=True)
        n = int(group_N.max()) + 1
        share_G = np.full(n, 1 / n)
        for draw in range(draws):
            weights_N = rng.multinomial(n, share_G)[group_N].astype(np.float64)
            total_R[draw] += sum(metric(weights_N) for metric in repeats) / len(repeats)
    means_R: Floats = total_R / len(folds)
    return means_R[~np.isnan(means_R)]

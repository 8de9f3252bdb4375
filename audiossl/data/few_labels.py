"""Which training items keep their label when only few may: draws in which every smaller set lies within the larger.

From each class as many groups (recordings, speakers) as can be are heard: a second item of a group comes after the
first of every other one.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audiossl.data.stratify import multilabel_parts

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def draw_shots(truth_NK: Flags, groups_N: Ints, shots: Sequence[int], rng: np.random.Generator) -> list[Ints]:
    """For each number of `shots` the items (n,), ascending, in which each class has at least so many.

    A class that has fewer gives all. Exactly so many where each item has one class; an item of several counts for each
    of them.

    Args:
        truth_NK: which item is of which class.
        groups_N: equal numbers mark one group.
        shots: items per class.
        rng: decides the draw.
    """
    item_M, _, place_M = _queues(truth_NK, groups_N, rng)
    return [np.unique(item_M[place_M < n]) for n in shots]


def draw_shares(truth_NK: Flags, groups_N: Ints, sizes: Sequence[int], rng: np.random.Generator) -> list[Ints]:
    """For each of the ascending `sizes` so many items (n,), ascending, the classes in the proportions of the whole.

    Where each item has one class, exactly so many, at least one of each class, the others by Webster's method, which
    gives no class fewer of a larger set. Otherwise by iterative stratification (see `multilabel_parts`), and where that
    leaves a class out, one item of it more.

    Args:
        truth_NK: which item is of which class.
        groups_N: equal numbers mark one group.
        sizes: how many items, at least K and at most N.
        rng: decides the draw.
    """
    if (truth_NK.sum(axis=1) == 1).all():
        item_N, class_N, place_N = _queues(truth_NK, groups_N, rng)
        due_N = np.where(place_N == 0, 0.0, (place_N + 0.5) / truth_NK.sum(axis=0)[class_N])
        order_N = item_N[np.lexsort((rng.permutation(len(item_N)), due_N))]
        return [np.sort(order_N[:size]) for size in sizes]
    shuffled_N = rng.permutation(len(truth_NK))
    # Those dealt last go to the small parts.
    order_N = shuffled_N[np.argsort(-_seen_before(groups_N[shuffled_N]), kind="stable")]
    shares = np.diff([0, *sizes, len(truth_NK)]) / len(truth_NK)
    part_N = multilabel_parts(truth_NK, order_N, shares, rng)
    missing_K = truth_NK.any(axis=0) & ~truth_NK[part_N == 0].any(axis=0)
    for label in np.flatnonzero(missing_K):
        if not truth_NK[part_N == 0, label].any():
            part_N[order_N[truth_NK[order_N, label]][-1]] = 0
    return [np.flatnonzero(part_N <= part) for part in range(len(sizes))]


def _queues(truth_NK: Flags, groups_N: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Item, class and the item's place from 0 in the queue of the class, for each pair of an item and its class."""
    item_M, class_M = np.nonzero(truth_NK)
    shuffled_M = rng.permutation(len(item_M))
    item_M, class_M = item_M[shuffled_M], class_M[shuffled_M]
    cell_M = class_M * (groups_N.max() + 1) + groups_N[item_M]
    order_M = np.argsort(_seen_before(cell_M), kind="stable")
    item_M, class_M = item_M[order_M], class_M[order_M]
    return item_M, class_M, _seen_before(class_M)


def _seen_before(keys_N: Ints) -> Ints:
    """How often each key (N,) stands before it."""
    order_N = np.argsort(keys_N, kind="stable")
    _, start_N, size_N = np.unique(keys_N[order_N], return_index=True, return_counts=True)
    count_N = np.empty(len(keys_N), np.int64)
    count_N[order_N] = np.arange(len(keys_N)) - np.repeat(start_N, size_N)
    return count_N

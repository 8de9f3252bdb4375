"""Folds of items with any number of labels each, every label spread evenly, groups whole; and unequal parts of items.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011, "On the stratification of multi-label data"), with a group
of items in the place of their single example where folds are made.

Letters: N items, G groups, K labels, n folds or parts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def multilabel_folds(labels_NK: npt.NDArray[np.bool_], groups_N: Ints, n: int, seed: int) -> Ints:
    """Give each item one of `n` folds (N,).

    The label with the fewest groups left is dealt first: each of its groups, the one with most of that label before
    the others, goes to the fold that lacks most of it; among equals to the fold that lacks most items. With at least
    `n` groups no fold stays empty.

    Args:
        labels_NK: which item has which label.
        groups_N: group numbers from 0 without a gap, see `splits.group_numbers`.
        n: how many folds.
        seed: of the order among equals.
    """
    rng = np.random.default_rng(seed)
    sizes_G = np.bincount(groups_N)
    counts_GK = np.zeros((len(sizes_G), labels_NK.shape[1]), np.int64)
    np.add.at(counts_GK, groups_N, labels_NK)
    return _dealt(counts_GK, sizes_G, rng.permutation(len(sizes_G)), np.full(n, 1 / n), rng)[groups_N]


def multilabel_parts(
    labels_NK: npt.NDArray[np.bool_], order_N: Ints, shares_n: npt.NDArray[np.float64], rng: np.random.Generator
) -> Ints:
    """Give each item one of n parts (N,), each label as nearly as can be in the proportions of `shares_n`.

    Items are dealt as in `multilabel_folds`, so that of equal ones the small parts get the last.

    Args:
        labels_NK: which item has which label.
        order_N: the order among equals.
        shares_n: of the items, for each part; they add up to 1.
        rng: decides between parts that lack as much.
    """
    return _dealt(labels_NK.astype(np.int64), np.ones(len(labels_NK), np.int64), order_N, shares_n, rng)


def _dealt(
    counts_GK: Ints, sizes_G: Ints, order_G: Ints, shares_n: npt.NDArray[np.float64], rng: np.random.Generator
) -> Ints:
    """The fold of each group (G,), from how many items of each label it holds and how many in all."""
    n = len(shares_n)
    lacking_nK = shares_n[:, None] * counts_GK.sum(0)
    lacking_n = shares_n * sizes_G.sum()
    fold_G = np.full(len(sizes_G), -1, np.int64)
    left_K = (counts_GK > 0).sum(0)

    def deal(group: int, wanted_n: npt.NDArray[np.float64]) -> None:
        fold = int(np.lexsort((rng.random(n), lacking_n, wanted_n))[-1])
        fold_G[group] = fold
        lacking_nK[fold] -= counts_GK[group]
        lacking_n[fold] -= sizes_G[group]
        left_K[counts_GK[group] > 0] -= 1

    while left_K.any():
        label = int(np.where(left_K > 0, left_K, len(sizes_G) + 1).argmin())
        with_label = order_G[(counts_GK[order_G, label] > 0) & (fold_G[order_G] < 0)]
        for group in with_label[np.argsort(-counts_GK[with_label, label], kind="stable")]:
            deal(group, lacking_nK[:, label])
    unlabelled = order_G[fold_G[order_G] < 0]
    for group in unlabelled[np.argsort(-sizes_G[unlabelled], kind="stable")]:
        deal(group, lacking_n)
    return fold_G

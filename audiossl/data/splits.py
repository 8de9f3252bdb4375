"""Which items train and which are tested: official folds and splits, and grouped folds where there are none.

Honesty is checked here, before anything is fitted: every class that is tested occurs in training, and no group
(recording, speaker, location) stands on both sides.

Letters: N items.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audiossl.data.items import Items
from audiossl.errors import DataError

Ints = npt.NDArray[np.int64]

NAMES_SHOWN = 5


class Split(NamedTuple):
    """What is tested and what may be learnt from: indices into the items, ascending."""

    name: str
    train: Ints
    test: Ints


def official_splits(
    items: Items, *, train: Collection[str] | None = None, test: Collection[str] = ("test",)
) -> list[Split]:
    """One split for each official fold, which it tests; where there are no folds, one from the items' splits.

    Args:
        items: with folds, or with splits.
        train: the splits to train on where there are no folds; all that are not tested when left out.
        test: the splits to test where there are no folds.

    Raises:
        DataError: neither folds nor both sides are there, an item has no fold while others have, a group is on both
            sides (more often than the manifest knows of), or a class that is tested never occurs in training.
    """
    splits = _by_fold(items) if items.folds() else [_by_split(items, train, test)]
    _check_groups(items, splits)
    _check_classes(items, splits)
    return splits


def made_splits(items: Items, n: int, seed: int) -> list[Split]:
    """Splits of items that bring none: `fitting_folds` of their one label each, each fold tested once.

    Raises:
        DataError: an item has several labels, a class has one group only, or a class ended up in one fold.
    """
    labels_N = numbers([str(label) for label in items.label_list()])
    groups_N = group_numbers(items)
    for label in range(labels_N.max() + 1):
        if len(np.unique(groups_N[labels_N == label])) < 2:
            of = items.label_list()[int(np.argmax(labels_N == label))]
            raise DataError(f"{items.name}: class {of} has one group only; give it at least two, or leave it out")
    splits = _each_tested({f"made {k + 1}": k for k in range(n)}, fitting_folds(labels_N, groups_N, n, seed))
    _check_classes(items, splits)
    return splits


def grouped_folds(labels_N: Ints, groups_N: Ints, n: int, seed: int) -> Ints:
    """Give each item one of `n` folds (N,): classes spread evenly, groups whole (`StratifiedGroupKFold`).

    Args:
        labels_N: class numbers.
        groups_N: group numbers, see `group_numbers`.
        n: how many folds.
        seed: of the shuffle.

    Raises:
        DataError: fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    n_groups = len(np.unique(groups_N))
    if n_groups < n:
        raise DataError(f"{n_groups} groups cannot make {n} folds; ask for fewer folds")
    # Classes rarer than the folds cannot be in each; scikit-learn wants them counted as one class.
    sizes, codes_N = np.bincount(labels_N), labels_N.copy()
    rare_N = sizes[labels_N] < n
    codes_N[rare_N] = len(sizes) if rare_N.sum() >= n else sizes.argmax()
    fold_N = np.empty(len(labels_N), np.int64)
    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(codes_N[:, None], codes_N, groups_N)):
        fold_N[held_out] = fold
    return fold_N


def fitting_folds(labels_N: Ints, groups_N: Ints, n: int, seed: int) -> Ints:
    """`grouped_folds`, but fewer where some class has fewer groups than `n`; at least two."""
    scarcest = min(len(np.unique(groups_N[labels_N == label])) for label in np.unique(labels_N))
    return grouped_folds(labels_N, groups_N, max(2, min(n, scarcest)), seed)


def group_numbers(items: Items) -> Ints:
    """Equal numbers (N,) mark one group; an item without a group is a group of its own."""
    pairs = zip(items.column("id"), items.groups(), strict=True)
    return numbers([f"g{group}" if group else f"i{item}" for item, group in pairs])


def numbers(names: Sequence[str]) -> Ints:
    """The place of each name (N,) among the distinct names, sorted."""
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _each_tested(folds: dict[str, int], fold_N: Ints) -> list[Split]:
    parts = {name: np.flatnonzero(fold_N == fold) for name, fold in folds.items()}
    return [Split(name, np.flatnonzero(fold_N != folds[name]), test) for name, test in parts.items() if len(test)]


def _by_fold(items: Items) -> list[Split]:
    fold_of = items.column("fold")
    without = [item for item, fold in zip(items.column("id"), fold_of, strict=True) if fold is None]
    if without:
        raise DataError(
            f"{items.name}: {listed(without)} {'is' if len(without) == 1 else 'are'} without a fold while others have "
            f"one; give every item a fold, or none"
        )
    if len(items.folds()) < 2:
        raise DataError(f"{items.name}: all items are in fold {fold_of[0]}; give at least two folds, or none")
    return _each_tested({str(fold): fold for fold in items.folds()}, np.array(fold_of))


def _by_split(items: Items, train: Collection[str] | None, test: Collection[str]) -> Split:
    split_of = items.column("split")
    test_N = np.array([split in test for split in split_of])
    train_N = ~test_N if train is None else np.array([split in train for split in split_of])
    for side_N, names in ((train_N, train or ("train",)), (test_N, test)):
        if not side_N.any():
            there = ", ".join(items.splits()) or "none"
            wanted = " or ".join(names)
            raise DataError(f"{items.name}: no item has the split {wanted}; splits there: {there}; no folds")
    return Split(" or ".join(test), np.flatnonzero(train_N), np.flatnonzero(test_N))


def _check_groups(items: Items, splits: list[Split]) -> None:
    """Refuse groups on both sides, but for as many as the official folds are known to cut apart."""
    group_N, names = group_numbers(items), items.groups()
    crossing: set[int] = set()
    for split in splits:
        crossing.update(np.intersect1d(group_N[split.test], group_N[split.train]).tolist())
    if len(crossing) > items.crossing_groups:
        cut = sorted({str(names[i]) for i in np.flatnonzero(np.isin(group_N, list(crossing)))})
        raise DataError(
            f"{items.name}: on both sides of a split: group {listed(cut)}; the test would know its training; put each "
            f"group on one side"
        )


def _check_classes(items: Items, splits: list[Split]) -> None:
    labels = items.column("labels")
    for split in splits:
        known = {label for item in split.train for label in labels[item]}
        new = sorted({label for item in split.test for label in labels[item]} - known)
        if new:
            raise DataError(
                f"{items.name}: {listed(new)} {'is' if len(new) == 1 else 'are'} tested in {split.name} but never "
                f"trained on; spread each class over both sides of every split, or leave it out"
            )

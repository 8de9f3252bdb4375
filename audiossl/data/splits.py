"""Which items train and which are tested: as the data set's design says, and grouped folds where it is silent.

Honesty is checked here, before anything is fitted: every class that is tested occurs in training, and no group
(recording, speaker, location) stands on two sides.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audiossl.data.items import Items
from audiossl.data.stratify import multilabel_folds
from audiossl.data.targets import Target
from audiossl.errors import DataError

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NAMES_SHOWN = 5


class Split(NamedTuple):
    """What is tested and what may be learnt from: indices into the items, ascending.

    Where `valid` is given, settings are chosen by it, and it is never learnt from.
    """

    name: str
    train: Ints
    test: Ints
    valid: Ints | None = None


def official_splits(
    items: Items, *, train: Collection[str] | None = None, test: Collection[str] | None = None
) -> list[Split]:
    """The rounds that `items.design` asks for: each fold or group tested in turn, or one round of the items' splits.

    A design that does not say takes the folds where there are any, and the splits otherwise.

    Args:
        items: with folds, groups or splits.
        train: the splits to train on, in the place of the design's.
        test: the splits to test, in the place of the design's.

    Raises:
        DataError: what parts the items is not there, an item has none while others have, a group is on two sides
            (more often than the manifest knows of), or a class that is tested never occurs in training.
    """
    design = items.design
    by = design.by or ("fold" if items.folds() else "split")
    if by == "split":
        splits = [_by_split(items, train or design.train, design.valid, test or design.test)]
    else:
        splits = _by_value(items, by)
    _check_groups(items, splits)
    _check_classes(items, splits)
    return splits


def made_splits(items: Items, n: int, seed: int) -> list[Split]:
    """Splits of items that bring none: `fitting_folds` of their labels, each fold tested once.

    Raises:
        DataError: a class has one group only, or ended up in one fold.
    """
    labels = label_numbers(items)
    groups_N = group_numbers(items)
    for name, groups in _groups_of_class(items, groups_N).items():
        if len(groups) < 2:
            raise DataError(f"{items.name}: class {name} has one group only; give it at least two, or leave it out")
    splits = _each_tested({f"made {k + 1}": k for k in range(n)}, fitting_folds(labels, groups_N, n, seed))
    _check_classes(items, splits)
    return splits


def target_of(items: Items) -> Target:
    """What is to be predicted: as the design says, or told from the rows."""
    if items.design.target is not None:
        return items.design.target
    if any(items.column("events")):
        return "events"
    return "multi" if items.multilabel else "single"


def label_numbers(items: Items) -> Ints | Flags:
    """For stratified folds: class numbers (N,) of items with one label each, otherwise which has which label (N, K).

    Raises:
        DataError: an item has several labels where each is to have one.
    """
    if target_of(items) == "single":
        return numbers([str(label) for label in items.label_list()])
    place = {name: k for k, name in enumerate(items.classes)}
    labels_NK = np.zeros((len(items), len(place)), np.bool_)
    for item, labels in enumerate(items.column("labels")):
        labels_NK[item, [place[label] for label in labels]] = True
    return labels_NK


def grouped_folds(labels: Ints | Flags, groups_N: Ints, n: int, seed: int) -> Ints:
    """Give each item one of `n` folds (N,): classes spread evenly, groups whole.

    By scikit-learn's `StratifiedGroupKFold` where each item has one label, otherwise by iterative stratification.

    Args:
        labels: class numbers (N,), or which item has which label (N, K).
        groups_N: group numbers, see `group_numbers`.
        n: how many folds.
        seed: of the shuffle.

    Raises:
        DataError: fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    _, groups_N = np.unique(groups_N, return_inverse=True)
    if (n_groups := int(groups_N.max()) + 1) < n:
        raise DataError(f"{n_groups} groups cannot make {n} folds; ask for fewer folds")
    if labels.ndim == 2:
        return multilabel_folds(labels.astype(np.bool_), groups_N, n, seed)
    labels_N = labels.astype(np.int64)
    # Classes rarer than the folds cannot be in each; scikit-learn wants them counted as one class.
    sizes, codes_N = np.bincount(labels_N), labels_N.copy()
    rare_N = sizes[labels_N] < n
    codes_N[rare_N] = len(sizes) if rare_N.sum() >= n else sizes.argmax()
    fold_N = np.empty(len(labels_N), np.int64)
    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(codes_N[:, None], codes_N, groups_N)):
        fold_N[held_out] = fold
    return fold_N


def fitting_folds(labels: Ints | Flags, groups_N: Ints, n: int, seed: int) -> Ints:
    """`grouped_folds`, but fewer where there are fewer groups than `n`, or of some class (N,); at least two.

    One rare label of many (N, K) does not cost all others their folds: it is missing in some.
    """
    if labels.ndim == 2:
        scarcest = len(np.unique(groups_N))
    else:
        scarcest = min(len(np.unique(groups_N[labels == label])) for label in np.unique(labels))
    return grouped_folds(labels, groups_N, max(2, min(n, scarcest)), seed)


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


def _by_value(items: Items, by: Literal["fold", "group"]) -> list[Split]:
    value_of = items.column(by)
    without = [item for item, value in zip(items.column("id"), value_of, strict=True) if value is None]
    if len(without) == len(items):
        raise DataError(f"{items.name}: no item has a {by}, and its {by}s are to be tested one by one; add a column")
    if without:
        raise DataError(
            f"{items.name}: {listed(without)} {'is' if len(without) == 1 else 'are'} without a {by} while others have "
            f"one; give every item a {by}, or none"
        )
    values = sorted(set(value_of))
    if len(values) < 2:
        raise DataError(f"{items.name}: all items are in {by} {value_of[0]}; give at least two {by}s, or none")
    return _each_tested({str(value): k for k, value in enumerate(values)}, np.searchsorted(values, value_of))


def _by_split(items: Items, train: Collection[str] | None, valid: Collection[str], test: Collection[str]) -> Split:
    split_of = items.column("split")
    test_N, valid_N = (np.array([split in wanted for split in split_of]) for wanted in (test, valid))
    valid_N &= ~test_N
    train_N = ~(test_N | valid_N) if train is None else np.array([split in train for split in split_of])
    sides = [(train_N, train or ("train",)), (test_N, test)] + ([(valid_N, valid)] if valid else [])
    for side_N, names in sides:
        if not side_N.any():
            there = ", ".join(items.splits()) or "none"
            wanted = " or ".join(names)
            raise DataError(f"{items.name}: no item has the split {wanted}; splits there: {there}; no folds")
    chosen = np.flatnonzero(valid_N) if valid else None
    return Split(" or ".join(test), np.flatnonzero(train_N), np.flatnonzero(test_N), chosen)


def _check_groups(items: Items, splits: list[Split]) -> None:
    """Refuse groups on two sides, but for as many as the official parts are known to cut apart."""
    group_N, names = group_numbers(items), items.groups()
    crossing: set[int] = set()
    for split in splits:
        for one, other in combinations([side for side in split[1:] if side is not None], 2):
            crossing.update(np.intersect1d(group_N[one], group_N[other]).tolist())
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


def _groups_of_class(items: Items, groups_N: Ints) -> dict[str, set[int]]:
    groups: dict[str, set[int]] = defaultdict(set)
    for labels, group in zip(items.column("labels"), groups_N.tolist(), strict=True):
        for label in labels:
            groups[label].add(group)
    return groups

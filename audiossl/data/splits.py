"""Which examples train and which are tested: official folds and splits, and grouped folds where there are none."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiossl.data.items import Items
from audiossl.errors import DataError

Indices = npt.NDArray[np.int64]


def fold_splits(
    items: Items, *, train: Collection[str] = ("train",), test: Collection[str] = ("test",)
) -> list[tuple[Indices, Indices]]:
    """(training rows, test rows) by the official folds, or by the splits where there are no folds.

    With folds 1 to K there are K pairs, pair k testing fold k; with splits one pair, `train` against `test`.

    Raises:
        DataError: neither folds nor both splits are there, a row has no fold, a group is on both sides (more often
            than the manifest knows of), or a class that is tested never occurs in training.
    """
    pairs = _by_fold(items) if items.folds() else [_by_split(items, train, test)]
    _check_groups(items, pairs)
    _check_classes(items, pairs)
    return pairs


def grouped_folds(
    labels: Sequence[str], groups: Sequence[Hashable] | None, n: int, seed: int
) -> list[tuple[Indices, Indices]]:
    """`n` folds made by us: classes spread evenly, no group in two folds (scikit-learn's `StratifiedGroupKFold`).

    Args:
        labels: one per row.
        groups: one per row; rows whose group is None, or all rows without groups, stand alone.
        n: how many folds.
        seed: of the shuffle.

    Raises:
        DataError: fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    alone = groups if groups is not None else [None] * len(labels)
    keys: list[Any] = [("row", row) if group is None else ("group", group) for row, group in enumerate(alone)]
    number = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    if len(number) < n:
        raise DataError(f"{len(number)} groups cannot make {n} folds; ask for fewer folds")
    _, codes = np.unique(np.asarray(labels), return_inverse=True)
    ids = np.array([number[key] for key in keys])
    # Classes rarer than the folds cannot be in each; scikit-learn wants them counted as one class.
    sizes = np.bincount(codes)
    rare = sizes[codes] < n
    codes[rare] = len(sizes) if rare.sum() >= n else sizes.argmax()
    folds = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    return [(fit.astype(np.int64), held.astype(np.int64)) for fit, held in folds.split(ids, codes, ids)]


def _by_fold(items: Items) -> list[tuple[Indices, Indices]]:
    folds = items.column("fold")
    if None in folds:
        raise DataError(f"{items.name}: {items.column('id')[folds.index(None)]} has no fold while others have")
    if len(items.folds()) < 2:
        raise DataError(f"{items.name}: all rows are in fold {items.folds()[0]}; two or more folds are needed")
    column = np.asarray(folds)
    return [(np.flatnonzero(column != fold), np.flatnonzero(column == fold)) for fold in items.folds()]


def _by_split(items: Items, train: Collection[str], test: Collection[str]) -> tuple[Indices, Indices]:
    column = np.asarray(items.column("split"), dtype=object)
    pair = np.flatnonzero(np.isin(column, list(train))), np.flatnonzero(np.isin(column, list(test)))
    for rows, names in zip(pair, (train, test), strict=True):
        if len(rows) == 0:
            there = ", ".join(items.splits()) or "none"
            raise DataError(f"{items.name}: no row has the split {' or '.join(names)}; splits there: {there}; no folds")
    return pair


def _check_groups(items: Items, pairs: list[tuple[Indices, Indices]]) -> None:
    groups = np.asarray(items.groups(), dtype=object)
    crossing: set[str] = set()
    for fit, held in pairs:
        crossing |= (set(groups[fit]) & set(groups[held])) - {None}
    if len(crossing) > items.crossing_groups:
        named = ", ".join(sorted(crossing)[:5])
        raise DataError(f"{items.name}: group {named} is on both sides of a split; keep each group on one side")


def _check_classes(items: Items, pairs: list[tuple[Indices, Indices]]) -> None:
    labels = items.column("labels")
    for number, (fit, held) in enumerate(pairs, start=1):
        known = {label for row in fit for label in labels[row]}
        if new := {label for row in held for label in labels[row]} - known:
            raise DataError(f"{items.name}: class {sorted(new)[0]} is tested in split {number} but never trained on")

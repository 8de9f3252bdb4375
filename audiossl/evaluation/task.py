"""What a probe must predict, and how the items are parted into rounds of training and test.

Honesty is checked here, before anything is fitted: every item has one label, every tested class occurs in training,
and no group (recording, speaker, location) stands on both sides of a round.

Letters: N items, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiossl.data.items import Items
from audiossl.errors import DataError

Ints = NDArray[np.int64]

NAMES_SHOWN = 5


@dataclass(frozen=True)
class Round:
    """One test fold and what may be learnt from: indices into the items."""

    name: str
    train: Ints
    test: Ints
    inner: tuple[tuple[Ints, Ints], ...]
    """Pairs (fit on, score on) that part `train` for choosing hyper-parameters; the test fold is in none of them."""


@dataclass(frozen=True)
class Task:
    """Labels and groups of N items as numbers, and the rounds."""

    name: str
    ids: list[str]
    classes: list[str]
    labels: Ints
    groups: Ints
    """Equal numbers mark one group; an item without a group is a group of its own."""
    rounds: tuple[Round, ...]
    split_hash: str

    @property
    def tested(self) -> Ints:
        """The items that some round tests, in order."""
        return np.unique(np.concatenate([one.test for one in self.rounds]))


def make_task(items: Items, *, when_missing: int, seed: int) -> Task:
    """Part `items` by their own folds, by their split `test`, or into stratified grouped folds.

    Args:
        items: with one label each.
        when_missing: how many folds to make where the items bring neither.
        seed: of the folds made here.

    Raises:
        DataError: no or several labels, a fold without a name, a class that a training side lacks, a group on both
            sides of a round.
    """
    if not items.has_labels:
        raise DataError(
            f"{items.name}: the items have no labels, and an evaluation needs them; add a label column, or "
            f"--labels-from-folders where each class is a folder"
        )
    labels = items.label_list()
    ids = items.column("id")
    _refuse(items, [i for i, label in zip(ids, labels, strict=True) if label is None], "without a label; label or drop")
    classes, labels_N = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"{items.name}: all items are {classes[0]}; an evaluation needs at least two classes")
    groups_N = _numbers([f"g{group}" if group else f"i{i}" for i, group in zip(ids, items.groups(), strict=True)])
    parts = _parts(items, labels_N, groups_N, when_missing, seed)
    _check_classes(items, parts, labels_N)
    rounds = tuple(_round(name, parts, labels_N, groups_N, when_missing, seed) for name in parts if name != TRAIN)
    task = Task(items.name, ids, classes.tolist(), labels_N, groups_N, rounds, items.split_hash)
    _check_groups(task, items)
    return task


TRAIN = ""
"""The name of the part that is never a test."""


def grouped_folds(labels_N: Ints, groups_N: Ints, n: int, seed: int) -> Ints:
    """Assign each item one of `n` folds, classes spread evenly, groups whole; shape (N,).

    Fewer folds come out where some class has fewer groups than `n`, but at least two.

    Raises:
        DataError: no class has two items.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    scarcest = min(len(np.unique(groups_N[labels_N == label])) for label in np.unique(labels_N))
    n = max(2, min(n, scarcest))
    if np.bincount(labels_N).max() < n:
        raise DataError(f"no class has more than one item in {len(labels_N)}, so no folds can be made; add items")
    fold_N = np.empty(len(labels_N), np.int64)
    with warnings.catch_warnings():
        # It warns of classes with a single item, which cannot be spread; whoever needs them spread checks that.
        warnings.simplefilter("ignore", UserWarning)
        splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
        for fold, (_, held_out) in enumerate(splitter.split(labels_N[:, None], labels_N, groups_N)):
            fold_N[held_out] = fold
    return fold_N


def _parts(items: Items, labels_N: Ints, groups_N: Ints, when_missing: int, seed: int) -> dict[str, Ints]:
    """Indices of each fold by name; with a split `test`, of `test` and of the rest, named `TRAIN`."""
    fold_of, split_of = items.column("fold"), items.column("split")
    if any(fold is not None for fold in fold_of):
        _refuse(
            items,
            [i for i, fold in zip(items.column("id"), fold_of, strict=True) if fold is None],
            "without a fold while others have one; give every item a fold, or none",
        )
        if len(set(fold_of)) < 2:
            raise DataError(f"{items.name}: all items are in fold {fold_of[0]}; give at least two folds, or none")
        return {str(fold): np.flatnonzero(np.array(fold_of) == fold) for fold in sorted(set(fold_of))}
    if "test" in split_of:
        test_N = np.array([split == "test" for split in split_of])
        return {TRAIN: np.flatnonzero(~test_N), "test": np.flatnonzero(test_N)}
    for label in range(labels_N.max() + 1):
        if len(np.unique(groups_N[labels_N == label])) < 2:
            of = items.classes[label]
            raise DataError(f"{items.name}: class {of} has one group only; give it at least two, or leave it out")
    fold_N = grouped_folds(labels_N, groups_N, when_missing, seed)
    return {f"made {fold + 1}": np.flatnonzero(fold_N == fold) for fold in range(fold_N.max() + 1)}


def _round(name: str, parts: dict[str, Ints], labels_N: Ints, groups_N: Ints, when_missing: int, seed: int) -> Round:
    others = {other: indices for other, indices in parts.items() if other != name}
    train = np.sort(np.concatenate(list(others.values())))
    if len(others) < 2:
        fold_N = grouped_folds(labels_N[train], groups_N[train], when_missing, seed)
        others = {str(fold): train[fold_N == fold] for fold in range(fold_N.max() + 1)}
    inner = tuple((np.setdiff1d(train, held_out), held_out) for held_out in others.values())
    return Round(name, train, parts[name], inner)


def _check_classes(items: Items, parts: dict[str, Ints], labels_N: Ints) -> None:
    for name, test in parts.items():
        missing = np.setdiff1d(labels_N[test], np.delete(labels_N, test))
        if name != TRAIN and len(missing):
            raise DataError(
                f"{items.name}: fold {name} tests {_listed([items.classes[k] for k in missing])}, which its training "
                f"folds lack; spread each class over at least two folds, or leave it out"
            )


def _check_groups(task: Task, items: Items) -> None:
    """Refuse groups on both sides, but for as many as the official folds are known to cut apart."""
    crossing: set[int] = set()
    for one in task.rounds:
        crossing.update(np.intersect1d(task.groups[one.test], task.groups[one.train]).tolist())
    if len(crossing) > items.crossing_groups:
        groups = items.groups()
        names = sorted({str(groups[i]) for i in np.flatnonzero(np.isin(task.groups, list(crossing)))})
        raise DataError(
            f"{task.name}: these groups stand in several folds: {_listed(names)}; the test would know its training; "
            f"put each group into one fold"
        )


def _numbers(names: Sequence[str]) -> Ints:
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def _refuse(items: Items, ids: list[str], fault: str) -> None:
    if ids:
        raise DataError(f"{items.name}: {_listed(ids)} {'is' if len(ids) == 1 else 'are'} {fault}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more

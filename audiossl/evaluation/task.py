"""What a probe must predict, and how the items are parted into rounds of training and test.

Every item must have one label; what the rounds must keep, `audiossl.data.splits` checks.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audiossl.data.items import Items
from audiossl.data.splits import Split, fitting_folds, group_numbers, listed, made_splits, official_splits
from audiossl.errors import DataError

Ints = NDArray[np.int64]


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

    def only(self, folds: Sequence[str]) -> Task:
        """The rounds of these test folds; each still learns from all others.

        Raises:
            DataError: a fold that is not tested.
        """
        there = [one.name for one in self.rounds]
        for name in folds:
            if name not in there:
                raise DataError(f"{self.name}: there is no test fold {name}; write one of: {', '.join(there)}")
        return replace(self, rounds=tuple(one for one in self.rounds if one.name in folds))


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
    unlabelled = [i for i, label in zip(ids, labels, strict=True) if label is None]
    if unlabelled:
        are = "is" if len(unlabelled) == 1 else "are"
        raise DataError(f"{items.name}: {listed(unlabelled)} {are} without a label; label or drop")
    classes, labels_N = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"{items.name}: all items are {classes[0]}; an evaluation needs at least two classes")
    groups_N = group_numbers(items)
    official = items.folds() or "test" in items.splits()
    splits = official_splits(items) if official else made_splits(items, when_missing, seed)

    def inner(split: Split) -> tuple[tuple[Ints, Ints], ...]:
        held_out = [other.test for other in splits if other is not split]
        if len(held_out) < 2:
            fold_N = fitting_folds(labels_N[split.train], groups_N[split.train], when_missing, seed)
            held_out = [split.train[fold_N == fold] for fold in range(fold_N.max() + 1)]
        return tuple((np.setdiff1d(split.train, held), held) for held in held_out)

    rounds = tuple(Round(split.name, split.train, split.test, inner(split)) for split in splits)
    return Task(items.name, ids, classes.tolist(), labels_N, groups_N, rounds, items.split_hash)

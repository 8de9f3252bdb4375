"""What a probe must predict, and how the items are parted into rounds of training and test.

What the rounds must keep, `audiossl.data.splits` checks.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audiossl.data.items import Design, Event, Items
from audiossl.data.splits import (
    Split,
    fitting_folds,
    group_numbers,
    label_numbers,
    listed,
    made_splits,
    official_splits,
    target_of,
)
from audiossl.data.targets import Target
from audiossl.errors import DataError
from audiossl.evaluation.event_faults import check_events

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Round:
    """One test fold and what may be learnt from: indices into the items."""

    name: str
    train: Ints
    test: Ints
    inner: tuple[tuple[Ints, Ints], ...]
    """Pairs (fit on, score on) for choosing hyper-parameters, within `train` or on `valid`; no test item is in them."""
    valid: Ints | None = None
    """Items that the data set sets apart for choosing; they are not in `train`."""
    place: int = 0
    """Among all rounds of the items, from 0, also where only some are run."""


@dataclass(frozen=True)
class Task:
    """What is to be predicted of N items, their groups as numbers, and the rounds."""

    name: str
    ids: list[str]
    classes: list[str]
    target: Target
    label_lists: list[list[int]]
    """For each item the numbers of its classes, ascending."""
    groups: Ints
    """Equal numbers mark one group; an item without a group is a group of its own."""
    rounds: tuple[Round, ...]
    split_hash: str
    design: Design
    events: tuple[tuple[Event, ...], ...] = ()
    """Of the target `events`: what is heard in each item, and when."""

    @cached_property
    def labels(self) -> Ints:
        """The class of each item (N,), where the target is single."""
        assert self.target == "single"
        return np.array([labels[0] for labels in self.label_lists], np.int64)

    @cached_property
    def truth(self) -> Bools:
        """Which classes are in each item (N, K)."""
        truth_NK = np.zeros((len(self.ids), len(self.classes)), np.bool_)
        counts = [len(labels) for labels in self.label_lists]
        truth_NK[np.repeat(np.arange(len(counts)), counts), np.concatenate(self.label_lists).astype(int)] = True
        return truth_NK

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

    def learning_from(self, trains: Sequence[Ints]) -> Task:
        """The same rounds, each with only these training items (a few labels); nothing is left to choose on."""
        pairs = zip(self.rounds, trains, strict=True)
        return replace(self, rounds=tuple(replace(one, train=train, inner=()) for one, train in pairs))


def make_task(items: Items, *, when_missing: int, seed: int) -> Task:
    """Part `items` as their design says: by folds, splits or groups, or into stratified grouped folds.

    Args:
        items: with labels.
        when_missing: how many folds to make where the items bring neither.
        seed: of the folds made here.

    Raises:
        DataError: no labels where one is needed, a fold without a name, a class that a training side lacks, a group
            on both sides of a round.
    """
    if not items.has_labels:
        raise DataError(
            f"{items.name}: the items have no labels, and an evaluation needs them; add a label column, or "
            f"--labels-from-folders where each class is a folder"
        )
    target = target_of(items)
    if target == "single":
        _check_single(items)
    elif target == "events":
        check_events(items)
    classes = items.classes
    if len(classes) < 2 and target != "events":
        raise DataError(f"{items.name}: all items are {classes[0]}; an evaluation needs at least two classes")
    number = {name: k for k, name in enumerate(classes)}
    label_lists = [sorted({number[label] for label in labels}) for labels in items.column("labels")]
    groups_N = group_numbers(items)
    splits = _splits(items, when_missing, seed)

    def inner(split: Split) -> tuple[tuple[Ints, Ints], ...]:
        if split.valid is not None:
            return ((split.train, split.valid),)
        held_out = [other.test for other in splits if other is not split]
        if len(held_out) < 2:
            fold_N = fitting_folds(label_numbers(items)[split.train], groups_N[split.train], when_missing, seed)
            held_out = [split.train[fold_N == fold] for fold in range(fold_N.max() + 1)]
        return tuple((np.setdiff1d(split.train, held), held) for held in held_out)

    return Task(
        name=items.name,
        ids=items.column("id"),
        classes=classes,
        target=target,
        label_lists=label_lists,
        groups=groups_N,
        rounds=tuple(
            Round(split.name, split.train, split.test, inner(split), split.valid, place)
            for place, split in enumerate(splits)
        ),
        split_hash=items.split_hash,
        design=items.design,
        events=tuple(items.events()) if target == "events" else (),
    )


def _check_single(items: Items) -> None:
    pairs = zip(items.column("id"), items.label_list(), strict=True)
    if unlabelled := [i for i, label in pairs if label is None]:
        are = "is" if len(unlabelled) == 1 else "are"
        raise DataError(f"{items.name}: {listed(unlabelled)} {are} without a label; label or drop")


def _splits(items: Items, when_missing: int, seed: int) -> list[Split]:
    design = items.design
    official = design.by is not None or items.folds() or set(design.test) & set(items.splits())
    return official_splits(items) if official else made_splits(items, when_missing, seed)

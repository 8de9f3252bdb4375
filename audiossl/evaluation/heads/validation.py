"""What a round learns from, and on which items its epoch is chosen."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np

from audiossl import rng
from audiossl.errors import UsageError
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.gradient import EpochChoice
from audiossl.evaluation.task import Ints, Round, Task

ATTEMPTS = 100
"""Random shares that are drawn until one holds every class (EVAR's number)."""


class Sides(NamedTuple):
    """Indices into the items."""

    learn: Ints
    valid: Ints | None
    """Where the epoch is chosen; None where nothing is chosen."""
    scale: Ints
    """What the scaler is fitted on: a random share is drawn after scaling, as in EVAR."""


def sides(protocol: Protocol, task: Task, one: Round, seed: int) -> Sides:
    """The sides of round `one`.

    Raises:
        UsageError: there is no next fold.
    """
    choice = protocol.selection
    if not isinstance(choice, EpochChoice):
        return Sides(one.train, None, one.train)
    if choice.valid == "test":
        return Sides(one.train, one.test, one.train)
    if one.valid is not None:
        return Sides(one.train, one.valid, one.train)
    if choice.valid == "next_fold":
        if not one.inner:
            raise UsageError(f"{protocol.id} chooses on the next fold, and there is none; use selection last_epoch")
        learn, valid = one.inner[one.place % len(one.inner)]
        return Sides(learn, valid, learn)
    valid = _share(task, one, choice.valid, seed)
    return Sides(np.setdiff1d(one.train, valid), valid, one.train)


def _share(task: Task, one: Round, share: float, seed: int) -> Ints:
    """The first random share of the training items that holds all their classes, or that which holds most of them."""
    n = ceil(share * len(one.train))
    stream = rng.numpy_stream(seed, "share", one.place)
    wanted = task.truth[one.train].any(axis=0).sum()
    best, most = one.train[:0], -1
    for _ in range(ATTEMPTS):
        drawn = np.sort(stream.choice(one.train, n, replace=False))
        held = int(task.truth[drawn].any(axis=0).sum())
        if held > most:
            best, most = drawn, held
        if most == wanted:
            break
    return best

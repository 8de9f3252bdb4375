"""Logistic regression as a probe: its C chosen within the training items of each round, or said in advance.

Multinomial for one label per item, one class against the rest for several.

Letters: N items, D dimensions, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from audiossl.evaluation.heads.logistic import LinearClassifier, fit_path
from audiossl.evaluation.heads.scaling import Doubles, fit_scaler
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.measures.multilabel import MultiLabelScores
from audiossl.evaluation.outcome import Floats, Ints, Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.parts import FixedConfig, NestedConfig, NewtonConfig
from audiossl.evaluation.task import Round, Task


class InnerFit(NamedTuple):
    """A fit that rounds choose by."""

    train: Ints
    users: list[tuple[int, Ints]]
    """The round's place in the task, and the items that it holds out here."""


def logistic_regression(protocol: Protocol, x_ND: Doubles, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's logits; labels of a round's test fold are never looked at."""
    chosen = strengths(protocol, x_ND, task, parallel)

    def refit(job: tuple[Round, float]) -> Outcome:
        one, strength = job
        return Outcome(_fit(protocol, [strength], x_ND, task, one.train)[0](one.test), {"C": strength})

    return list(parallel(refit, zip(task.rounds, chosen, strict=True)))


def strengths(protocol: Protocol, x_ND: Doubles, task: Task, parallel: Map = map) -> list[float]:
    """For each round its C: the fixed one, or that which does best on held-out items; among equals the smallest.

    Best is to get most of them right; of several labels per item, the greatest mAP, meant over the held-out parts.
    """
    selection = protocol.selection
    if isinstance(selection, FixedConfig):
        return [selection.strength] * len(task.rounds)
    assert isinstance(selection, NestedConfig)
    candidates = selection.strengths

    def merits(fit: InnerFit) -> list[tuple[int, list[float]]]:
        path = _fit(protocol, candidates, x_ND, task, fit.train)
        return [(number, [merit(task, held, at_one(held)) for at_one in path]) for number, held in fit.users]

    totals = np.zeros((len(task.rounds), len(candidates)))
    for results in parallel(merits, inner_fits(task)):
        for number, row in results:
            totals[number] += row
    return [candidates[best] for best in totals.argmax(axis=1)]


def inner_fits(task: Task) -> list[InnerFit]:
    """What is fitted for choosing, each set of training items once.

    Leaving out fold i for the test and j for choosing trains on the same items as leaving out j and i.
    """
    fits: dict[bytes, InnerFit] = {}
    for number, one in enumerate(task.rounds):
        for train, held_out in one.inner:
            fits.setdefault(train.tobytes(), InnerFit(train, [])).users.append((number, held_out))
    return list(fits.values())


def merit(task: Task, held_out: Ints, scores_nK: Floats) -> float:
    """How well held-out items are scored: how many are right, or the mAP of several labels (0 without any label)."""
    if task.target == "single":
        return float((scores_nK.argmax(axis=1) == task.labels[held_out]).sum())
    return float(np.nan_to_num(MultiLabelScores(scores_nK, task.truth[held_out]).map_macro()))


def _fit(
    protocol: Protocol, candidates: list[float], x_ND: Doubles, task: Task, train: Ints
) -> list[Callable[[Ints], Floats]]:
    """For each C, a function from item indices to logits; scaler and head see only `train`."""
    fit = protocol.fit
    assert isinstance(fit, NewtonConfig)
    scale = fit_scaler(protocol, x_ND[train])
    labels = task.labels if task.target == "single" else task.truth
    path = fit_path(
        scale(x_ND[train]), labels[train], candidates, tolerance=fit.tolerance, max_iterations=fit.max_iterations
    )

    def scorer(head: LinearClassifier) -> Callable[[Ints], Floats]:
        return lambda items: head.logits(scale(x_ND[items]), len(task.classes))

    return [scorer(head) for head in path]

"""Scores at growing budgets of labels: how well a probe does that learnt from few.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audiossl import rng
from audiossl.data.few_labels import draw_shares, draw_shots
from audiossl.data.splits import listed
from audiossl.errors import UsageError
from audiossl.evaluation.outcome import Outcome, score_of
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.parts import Labels, SharesConfig, ShotsConfig
from audiossl.evaluation.scores import Point, Score
from audiossl.evaluation.task import Round, Task

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Budget:
    """One number of labels, and who keeps theirs."""

    at: float
    """Items per class, or share of the training items."""
    draws: list[list[Ints]]
    """For each draw, and in it for each round, the items to learn from; one draw where there is but one choice."""


def score_budgets(protocol: Protocol, task: Task, predict: Callable[[Task], Sequence[Outcome]]) -> Score:
    """The score at the headline's budget, with the curve over all budgets.

    Args:
        protocol: with `labels`.
        task: whose rounds may learn from all training items.
        predict: the outcomes of the rounds of a task that learns from some.

    Raises:
        UsageError: see `check_budgets`.
    """
    assert protocol.labels is not None
    check_budgets(protocol, task)
    budgets = draw(protocol.labels, task)
    learnt = [task.learning_from(trains).rounds for budget in budgets for trains in budget.draws]
    # All draws of all budgets as one task, so that their fits run beside each other.
    outcomes = iter(predict(replace(task, rounds=tuple(one for rounds in learnt for one in rounds))))
    scores = {
        budget.at: score_of(protocol, task, [[next(outcomes) for _ in task.rounds] for _ in budget.draws])
        for budget in budgets
    }
    curve = [Point(at=at, value=score.value, draws=score.repeats or [score.value]) for at, score in scores.items()]
    notes = [f"{why}; it is left out" for why in _undefined(protocol.labels, task).values()]
    notes += _scarce(protocol.labels, task)
    shown = scores[protocol.labels.headline]
    return shown.model_copy(update={"curve": curve, "notes": [*shown.notes, *notes]})


def check_budgets(protocol: Protocol, task: Task) -> None:
    """Refuse labels too few for the budget that the score is to show.

    Raises:
        UsageError: what to write instead is in the message.
    """
    labels = protocol.labels
    if labels is not None and (why := _undefined(labels, task).get(labels.headline)):
        raise UsageError(
            f"{protocol.id} shows its score at {100 * labels.headline:g} %, but {why}; choose few_shot@1 instead"
        )


def draw(labels: Labels, task: Task) -> list[Budget]:
    """What is learnt from at each budget that can be drawn."""
    at = [budget for budget in labels.budgets if budget not in _undefined(labels, task)]
    drawn = [[_draw_round(labels, at, task, one, seed) for one in task.rounds] for seed in labels.seeds]
    budgets = []
    for number, budget in enumerate(at):
        draws = [[subsets[number] for subsets in rounds] for rounds in drawn]
        whole = all(len(kept) == len(one.train) for kept, one in zip(draws[0], task.rounds, strict=True))
        budgets.append(Budget(budget, draws[:1] if whole else draws))
    return budgets


def _draw_round(labels: Labels, at: Sequence[float], task: Task, one: Round, seed: int) -> list[Ints]:
    stream = rng.numpy_stream(seed, "labels", one.name)
    by_id = one.train[np.argsort(np.array(task.ids)[one.train])]  # whatever the order of the items
    truth_NK, groups_N = task.truth[by_id], task.groups[by_id]
    if isinstance(labels, ShotsConfig):
        subsets = draw_shots(truth_NK, groups_N, [int(shots) for shots in at], stream)
    else:
        subsets = draw_shares(truth_NK, groups_N, [_size(share, one) for share in at], stream)
    return [np.sort(by_id[subset]) for subset in subsets]


def _size(share: float, one: Round) -> int:
    return round(share * len(one.train))


def _undefined(labels: Labels, task: Task) -> dict[float, str]:
    """The shares that are fewer items than classes, each with the reason."""
    found = {}
    for share in labels.budgets if isinstance(labels, SharesConfig) else []:
        for one in task.rounds:
            size, classes = _size(share, one), int(task.truth[one.train].any(axis=0).sum())
            if size < classes:
                found[share] = (
                    f"{100 * share:g} % of the {len(one.train):,} training items of {task.name} (round {one.name}) "
                    f"is {size}, fewer than the {classes} classes"
                )
                break
    return found


def _scarce(labels: Labels, task: Task) -> list[str]:
    """Which classes cannot give as many items as the largest budget asks for."""
    if not isinstance(labels, ShotsConfig):
        return []
    most = labels.budgets[-1]
    fewest_K = np.min([task.truth[one.train].sum(axis=0) for one in task.rounds], axis=0)
    scarce = [f"{task.classes[k]} ({fewest_K[k]})" for k in np.flatnonzero(fewest_K < most)]
    return [f"fewer than {most} training items, so all of them are taken: {listed(scarce)}"] if scarce else []

"""What a probe predicted, and from all rounds the score.

Letters: N items, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audiossl import rng
from audiossl.data.items import Event
from audiossl.errors import DataError, UsageError
from audiossl.evaluation.event_faults import overlapping
from audiossl.evaluation.measures import metrics
from audiossl.evaluation.measures.event_metrics import EventScores
from audiossl.evaluation.measures.multilabel import MultiLabelScores
from audiossl.evaluation.measures.resampling import Metric, affordable, resampled
from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.metric_names import Metric as Name
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.scores import FoldScore, Score
from audiossl.evaluation.task import Round, Task

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


PER_ITEM: frozenset[str] = frozenset(("accuracy", "macro_accuracy"))
"""Metrics that are a mean, over items or over classes, of which items were right."""


@dataclass(frozen=True)
class Outcome:
    """What one round gave its test items: a score of every class (n, K), and what was chosen on the way."""

    scores: Floats
    chosen: Mapping[str, float] = field(default_factory=dict)
    events: Sequence[Sequence[Event]] = ()
    """Of the target `events`: what was found in each item, and when."""
    notes: Sequence[str] = ()
    """What a reader of the score must know, in sentences."""

    @property
    def predicted(self) -> Ints:
        """The class of the greatest score; among equals the first."""
        predicted: Ints = self.scores.argmax(axis=1)
        return predicted


def metric_of(protocol: Protocol, task: Task) -> Name:
    """What a score shows: the data set's own metric where the protocol measures it, else the protocol's first.

    Raises:
        UsageError: the protocol does not score such a target.
    """
    names = protocol.metrics.get(task.target)
    if names is None:
        kinds = {"single": "one label per item", "multi": "several labels per item", "events": "timed events"}
        able = " or ".join(kinds[target] for target in protocol.metrics)
        raise UsageError(
            f"{task.name} has {kinds[task.target]}, and {protocol.id} scores {able} only; choose another protocol"
        )
    return next((name for name in names if name == task.design.metric), names[0])


def judge(task: Task, one: Round, outcome: Outcome) -> Mapping[str, Metric]:
    """Every metric of one round, by name."""
    if task.target == "multi":
        return MultiLabelScores(outcome.scores, task.truth[one.test]).metrics
    if task.target == "events":
        return EventScores([task.events[item] for item in one.test], outcome.events).metrics

    def counts(weights_n: Floats | None) -> Ints:
        return metrics.confusion(task.labels[one.test], outcome.predicted, len(task.classes), weights_n)

    return {
        "accuracy": lambda weights_n: metrics.accuracy(counts(weights_n)),
        "macro_accuracy": lambda weights_n: metrics.macro_accuracy(counts(weights_n)),
    }


def measure(names: Sequence[Name], task: Task, one: Round, outcome: Outcome) -> dict[str, float]:
    """The metrics of one round.

    Raises:
        DataError: its test items have nothing that could be found.
    """
    return _values(names, task, one, judge(task, one, outcome))


def score_of(protocol: Protocol, task: Task, repeats: Sequence[Sequence[Outcome]]) -> Score:
    """The score of one or several repeats, each with an outcome for every round."""
    metric, names = metric_of(protocol, task), protocol.metrics[task.target]
    judged = [
        [judge(task, one, outcome) for one, outcome in zip(task.rounds, outcomes, strict=True)] for outcomes in repeats
    ]
    measured = [
        [_values(names, task, one, known) for one, known in zip(task.rounds, row, strict=True)] for row in judged
    ]
    folds = [_fold(one, [row[k] for row in measured], repeats[0][k]) for k, one in enumerate(task.rounds)]
    values = [float(np.mean([fold[metric] for fold in row])) for row in measured]
    single = task.target == "single"
    right_N = right(task, repeats) if single else np.empty(0)
    draws_R = np.empty(0) if single else _draws(protocol, task, [[known[metric] for known in row] for row in judged])
    level = protocol.interval.level
    return Score(
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        split_hash=task.split_hash,
        seed=protocol.seed,
        n=sum(fold.n for fold in folds),
        metric=metric,
        value=float(np.mean(values)),
        interval=bootstrap(protocol, task, right_N, metric) if single else metrics.interval(draws_R, level),
        metrics={name: float(np.mean([fold.metrics[name] for fold in folds])) for name in names},
        folds=folds,
        repeats=values if len(values) > 1 else [],
        notes=[*_limits(task), *dict.fromkeys(note for row in repeats for outcome in row for note in outcome.notes)],
        predictions=predictions(task, repeats[0]).tolist() if single else [],
        right=right_N.tolist(),
        by_class=by_class(task, repeats) if task.target == "multi" else [],
        draws=draws_R.tolist(),
        test_selected=protocol.test_selected,
    )


def predictions(task: Task, outcomes: Sequence[Outcome]) -> Ints:
    """The class predicted for each item (N,) when it was tested; -1 where it never was."""
    predicted_N = np.full(len(task.ids), -1, np.int64)
    for one, outcome in zip(task.rounds, outcomes, strict=True):
        predicted_N[one.test] = outcome.predicted
    return predicted_N


def right(task: Task, repeats: Sequence[Sequence[Outcome]]) -> Floats:
    """The share of repeats (N,) in which each item was predicted rightly; -1 where it never was tested."""
    predicted_RN = np.stack([predictions(task, outcomes) for outcomes in repeats])
    share_N: Floats = np.where(predicted_RN[0] >= 0, (predicted_RN == task.labels).mean(axis=0), -1.0)
    return share_N


def by_class(task: Task, repeats: Sequence[Sequence[Outcome]]) -> list[float | None]:
    """Average precision of each class, mean over the rounds that test it; None for a class that none does."""
    found_RK = np.stack(
        [
            MultiLabelScores(outcome.scores, task.truth[one.test]).average_precisions()
            for outcomes in repeats
            for one, outcome in zip(task.rounds, outcomes, strict=True)
        ]
    )
    known_RK = ~np.isnan(found_RK)
    sums_K, counts_K = np.where(known_RK, found_RK, 0.0).sum(axis=0), known_RK.sum(axis=0)
    return [float(total / count) if count else None for total, count in zip(sums_K, counts_K, strict=True)]


def bootstrap(protocol: Protocol, task: Task, values_N: Floats, metric: str = "accuracy") -> tuple[float, float] | None:
    """The interval of the mean over folds of `values_N`, test items drawn in whole groups; None without groups to draw.

    Two encoders on one task get the same draws, so the values of a paired comparison are differences per item. Of
    `macro_accuracy` the mean within a fold is that over classes.
    """
    draws = metrics.fold_bootstrap(
        values_N,
        [task.groups[one.test] for one in task.rounds],
        [one.test for one in task.rounds],
        protocol.interval.draws,
        rng.numpy_stream(protocol.seed, "bootstrap"),
        task.labels if metric == "macro_accuracy" else None,
    )
    return metrics.interval(draws, protocol.interval.level)


def _values(names: Sequence[Name], task: Task, one: Round, known: Mapping[str, Metric]) -> dict[str, float]:
    values: dict[str, float] = {name: known[name](None) for name in names}
    if undefined := [name for name, value in values.items() if np.isnan(value)]:
        raise DataError(
            f"{task.name}: no item tested in {one.name} has a label, so there is no {READINGS[undefined[0]].title} to "
            f"measure; spread the labelled items over the folds"
        )
    return values


def _fold(one: Round, measured: Sequence[Mapping[str, float]], first: Outcome) -> FoldScore:
    means = {name: float(np.mean([row[name] for row in measured])) for name in measured[0]}
    return FoldScore(name=one.name, n=len(one.test), metrics=means, chosen=dict(first.chosen))


def _draws(protocol: Protocol, task: Task, repeats: Sequence[Sequence[Metric]]) -> Floats:
    """The metric of all rounds, measured on each bootstrap draw of their test items."""
    entries = len(repeats) * sum(len(one.test) for one in task.rounds) * len(task.classes)
    return resampled(
        list(zip(*repeats, strict=True)),
        [task.groups[one.test] for one in task.rounds],
        affordable(protocol.interval.draws, entries),
        rng.numpy_stream(protocol.seed, "bootstrap"),
    )


def _limits(task: Task) -> list[str]:
    """What of the tested items cannot be found or measured, in sentences."""
    if task.target == "events":
        events = [task.events[item] for item in task.tested]
        lost, total = sum(map(overlapping, events)), sum(map(len, events))
        told = f"{lost:,} of {total:,} events begin while another of the same label lasts: no detector can find those"
        return [told] if lost else []
    if task.target == "multi":
        missing = {one.name: int((~task.truth[one.test].any(axis=0)).sum()) for one in task.rounds}
        told = ", ".join(f"{count} in {name}" for name, count in missing.items() if count)
        return (
            [f"of {len(task.classes)} classes no test item has {told}: macro averages leave them out"] if told else []
        )
    return []

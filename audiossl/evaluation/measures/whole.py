"""What is measured on all tested items at once, without rounds of training and test; and from it the score.

Letters: N tested items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audiossl import rng
from audiossl.evaluation.measures import metrics
from audiossl.evaluation.outcome import metric_of
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.scores import FoldScore, Score
from audiossl.evaluation.task import Task

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """The metrics of `task.tested`: numbers, or one number per item (N,), of which the mean is meant.

    NaN marks an item that has none.
    """

    values: Mapping[str, float | Floats]
    notes: list[str] = field(default_factory=list)


def score_whole(protocol: Protocol, task: Task, repeats: Sequence[Measured]) -> Score:
    """The score of one or several repeats."""
    metric = metric_of(protocol, task)
    means = {
        name: float(np.mean([np.nanmean(one.values[name]) for one in repeats]))
        for name in protocol.metrics[task.target]
    }
    first = repeats[0].values[metric]
    counted = task.tested[~np.isnan(first)] if isinstance(first, np.ndarray) else task.tested
    return Score(
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        split_hash=task.split_hash,
        seed=protocol.seed,
        n=len(counted),
        metric=metric,
        value=means[metric],
        interval=_interval(protocol, task, first) if isinstance(first, np.ndarray) else None,
        metrics=means,
        folds=[FoldScore(name="all", n=len(counted), metrics=means)],
        repeats=[float(np.nanmean(one.values[metric])) for one in repeats] if len(repeats) > 1 else [],
        notes=repeats[0].notes,
        test_selected=protocol.test_selected,
    )


def _interval(protocol: Protocol, task: Task, values_N: Floats) -> tuple[float, float] | None:
    """Of the mean of `values_N`, items drawn in whole groups."""
    has_N = ~np.isnan(values_N)
    draws = metrics.fold_bootstrap(
        values_N[has_N],
        [task.groups[task.tested[has_N]]],
        [np.arange(has_N.sum())],
        protocol.interval.draws,
        rng.numpy_stream(protocol.seed, "bootstrap"),
    )
    return metrics.interval(draws, protocol.interval.level)

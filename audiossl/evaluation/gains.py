"""How much a pretrained encoder is better than its untrained twins, item by item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiossl.evaluation import metrics
from audiossl.evaluation.outcome import PER_ITEM, bootstrap
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.scores import Gain, Row
from audiossl.evaluation.task import Task


def gains(rows: Sequence[Row], protocols: Sequence[Protocol], tasks: Sequence[Task]) -> list[Gain]:
    """The gain of every pretrained row over its untrained twins under each protocol; none without scored twins."""
    found = []
    for row in (row for row in rows if row.kind == "pretrained"):
        for protocol, task in zip(protocols, tasks, strict=True):
            twins = [r for r in rows if r.kind == "untrained" and row.models[0] in r.models and protocol.id in r.scores]
            if twins and protocol.id in row.scores:
                found.append(_gain(row, twins, protocol, task))
    return found


def _gain(row: Row, twins: Sequence[Row], protocol: Protocol, task: Task) -> Gain:
    score = row.scores[protocol.id]
    untrained = np.array([twin.scores[protocol.id].value for twin in twins])
    interval = None
    if score.metric in PER_ITEM and score.right:
        twins_right_N = np.mean([twin.scores[protocol.id].right for twin in twins], axis=0)
        interval = bootstrap(protocol, task, np.array(score.right) - twins_right_N, score.metric)
    elif score.draws:
        differences_R = np.array(score.draws) - np.mean([twin.scores[protocol.id].draws for twin in twins], axis=0)
        interval = metrics.interval(differences_R, protocol.interval.level)
    return Gain(
        model=row.models[0],
        protocol=protocol.id,
        metric=score.metric,
        pretrained=score.value,
        untrained=float(untrained.mean()),
        untrained_std=float(untrained.std(ddof=1)) if len(untrained) > 1 else 0.0,
        gain=score.value - float(untrained.mean()),
        interval=interval,
    )

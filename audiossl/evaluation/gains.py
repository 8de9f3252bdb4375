"""How much a pretrained encoder is better than its untrained twins, item by item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.probes import bootstrap
from audiossl.evaluation.protocols import Protocol
from audiossl.evaluation.scores import Gain, Row
from audiossl.evaluation.task import Task


def gains(rows: Sequence[Row], protocols: Sequence[Protocol], tasks: Sequence[Task]) -> list[Gain]:
    """The gain of every pretrained row over its untrained twins under each protocol; none without scored twins."""
    pretrained = [row for row in rows if row.kind == "pretrained"]
    twins = {
        row.models[0]: [r for r in rows if r.kind == "untrained" and row.models[0] in r.models] for row in pretrained
    }
    return [
        _gain(row, twins[row.models[0]], protocol, task)
        for row in pretrained
        for protocol, task in zip(protocols, tasks, strict=True)
        if twins[row.models[0]] and not protocol.needs_text
    ]


def _gain(row: Row, twins: Sequence[Row], protocol: Protocol, task: Task) -> Gain:
    untrained = np.array([twin.scores[protocol.id].accuracy for twin in twins])
    pretrained = row.scores[protocol.id].accuracy
    twins_right_N = np.mean([_right(twin, protocol, task) for twin in twins], axis=0)
    return Gain(
        model=row.models[0],
        protocol=protocol.id,
        pretrained=pretrained,
        untrained=float(untrained.mean()),
        untrained_std=float(untrained.std(ddof=1)) if len(untrained) > 1 else 0.0,
        gain=pretrained - float(untrained.mean()),
        interval=bootstrap(protocol, task, _right(row, protocol, task) - twins_right_N),
    )


def _right(row: Row, protocol: Protocol, task: Task) -> NDArray[np.float64]:
    """1 where the row predicted an item rightly, otherwise 0."""
    right_N: NDArray[np.float64] = (np.array(row.scores[protocol.id].predictions) == task.labels).astype(np.float64)
    return right_N

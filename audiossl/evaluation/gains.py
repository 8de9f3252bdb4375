"""How much a pretrained encoder is better than its untrained twins, item by item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiossl.evaluation.measures import metrics
from audiossl.evaluation.outcome import PER_ITEM, bootstrap
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.end_to_end import EndToEndConfig
from audiossl.evaluation.scores import Gain, Row, Score
from audiossl.evaluation.task import Task


def gains(rows: Sequence[Row], protocols: Sequence[Protocol], tasks: Sequence[Task]) -> list[Gain]:
    """The gain of every pretrained row over its untrained twins under each protocol; none without scored twins.

    Where the encoder is trained along, the same architecture from scratch stands in the place of the twins.
    """
    found = []
    for row in (row for row in rows if row.kind == "pretrained"):
        for protocol, task in zip(protocols, tasks, strict=True):
            if protocol.id not in row.scores:
                continue
            twins = [r for r in rows if r.kind == "untrained" and row.models[0] in r.models and protocol.id in r.scores]
            if twins:
                found.append(_gain(row, [twin.scores[protocol.id] for twin in twins], protocol, task))
            elif scratch := next((other.id for other in protocols if _is_scratch_of(other, protocol)), None):
                gain = _gain(row, [row.scores[scratch]], protocol, task)
                found.append(gain.model_copy(update={"scratch": scratch}))
    return found


def _is_scratch_of(other: Protocol, protocol: Protocol) -> bool:
    """Whether both test the same rounds, `other` from random weights and `protocol` from the model's."""
    starts = [head.encoder for head in (other.head, protocol.head) if isinstance(head, EndToEndConfig)]
    alike = (other.folds, other.seed, other.interval) == (protocol.folds, protocol.seed, protocol.interval)
    return alike and starts == ["random", "pretrained"]


def _gain(row: Row, others: Sequence[Score], protocol: Protocol, task: Task) -> Gain:
    score = row.scores[protocol.id]
    untrained = np.array([other.value for other in others])
    interval = None
    if score.metric in PER_ITEM and score.right:
        others_right_N = np.mean([other.right for other in others], axis=0)
        interval = bootstrap(protocol, task, np.array(score.right) - others_right_N, score.metric)
    elif score.draws:
        differences_R = np.array(score.draws) - np.mean([other.draws for other in others], axis=0)
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

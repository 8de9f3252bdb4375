"""Run a protocol on embeddings: choose within the training folds, fit on them, test once.

Letters: N items, D dimensions, K classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiossl import rng
from audiossl.data.items import Items
from audiossl.devices import cores
from audiossl.errors import DataError
from audiossl.evaluation import metrics
from audiossl.evaluation.logistic import LinearClassifier, fit_path
from audiossl.evaluation.neighbours import votes
from audiossl.evaluation.protocols import KnnConfig, NestedConfig, NewtonConfig, Protocol, ZeroShotConfig
from audiossl.evaluation.scores import FoldScore, Score
from audiossl.evaluation.task import Round, Task, make_task

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """What one round predicted for its test items, and the C it chose."""

    predicted: Ints
    strength: float | None = None


def run(protocol: Protocol, features_ND: Floats, items: Items, *, threads: int | None = None) -> Score:
    """Score the embeddings of `items` under `protocol`.

    Args:
        protocol: see `load_protocol`.
        features_ND: one row per item, in the order of `items`; for `zero_shot`, its similarities to the classes.
        items: with labels.
        threads: fits that run at a time; all cores when None.

    Raises:
        DataError: see `make_task`; or an embedding is not finite.
    """
    return run_task(protocol, features_ND, task_of(protocol, items), threads=threads)


def task_of(protocol: Protocol, items: Items) -> Task:
    """The rounds in which `protocol` parts `items` (raises `DataError`)."""
    return make_task(items, when_missing=protocol.folds.when_missing, seed=protocol.seed)


def run_task(protocol: Protocol, features_ND: Floats, task: Task, *, threads: int | None = None) -> Score:
    """`run` on a task made before."""
    if not np.isfinite(features_ND).all():
        worst = task.ids[int(np.argmin(np.isfinite(features_ND).all(axis=1)))]
        raise DataError(f"{task.name}: the embedding of {worst} is not finite; the encoder is broken or diverged")
    from threadpoolctl import threadpool_limits

    x_ND = features_ND.astype(np.float64)
    threads = threads or cores()
    # The fits are many and small: one each per core beats one after the other on all cores.
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        outcomes = predict(protocol, x_ND, task, pool.map)
    return _score(protocol, task, outcomes)


Map = Callable[..., Iterable[Any]]
"""`map`, or a pool's."""


def predict(protocol: Protocol, x_ND: Doubles, task: Task, parallel: Map = map) -> list[Outcome]:
    """Each round's predictions; labels of a round's test fold are never looked at."""
    head, fit, selection = protocol.head, protocol.fit, protocol.selection
    if isinstance(head, KnnConfig):
        return list(parallel(lambda one: Outcome(_nearest(protocol, head, x_ND, task, one)), task.rounds))
    if isinstance(head, ZeroShotConfig):
        return [Outcome(x_ND[one.test].argmax(axis=1)) for one in task.rounds]
    assert isinstance(fit, NewtonConfig)
    assert isinstance(selection, NestedConfig)
    chosen = choose(protocol, fit, selection, x_ND, task, parallel)

    def refit(job: tuple[Round, float]) -> Outcome:
        one, strength = job
        return Outcome(_fit(protocol, fit, [strength], x_ND, task.labels, one.train)[0](one.test), strength)

    return list(parallel(refit, zip(task.rounds, chosen, strict=True)))


def choose(
    protocol: Protocol, fit: NewtonConfig, selection: NestedConfig, x_ND: Doubles, task: Task, parallel: Map = map
) -> list[float]:
    """For each round the C that gets most held-out training items right; among equals the smallest.

    Leaving out fold i for the test and j for choosing trains on the same items as leaving out j and i, so each such
    set is fitted once.
    """
    users: dict[bytes, list[tuple[int, Ints]]] = defaultdict(list)
    fit_on: dict[bytes, Ints] = {}
    for number, one in enumerate(task.rounds):
        for train, held_out in one.inner:
            fit_on[train.tobytes()] = train
            users[train.tobytes()].append((number, held_out))

    def right(key: bytes) -> list[tuple[int, list[int]]]:
        path = _fit(protocol, fit, selection.strengths, x_ND, task.labels, fit_on[key])
        return [
            (number, [int((at_one(held) == task.labels[held]).sum()) for at_one in path]) for number, held in users[key]
        ]

    counts = np.zeros((len(task.rounds), len(selection.strengths)), np.int64)
    for results in parallel(right, fit_on):
        for number, row in results:
            counts[number] += row
    return [selection.strengths[best] for best in counts.argmax(axis=1)]


def _fit(
    protocol: Protocol, fit: NewtonConfig, strengths: list[float], x_ND: Doubles, labels_N: Ints, train: Ints
) -> list[Callable[[Ints], Ints]]:
    """For each C, a function from item indices to predicted labels; scaler and head see only `train`."""
    scale = _scaler(protocol, x_ND[train])
    path = fit_path(
        scale(x_ND[train]), labels_N[train], strengths, tolerance=fit.tolerance, max_iterations=fit.max_iterations
    )

    def predictor(head: LinearClassifier) -> Callable[[Ints], Ints]:
        return lambda items: head.predict(scale(x_ND[items]))

    return [predictor(head) for head in path]


def _nearest(protocol: Protocol, head: KnnConfig, x_ND: Doubles, task: Task, one: Round) -> Ints:
    scale = _scaler(protocol, x_ND[one.train])
    votes_QK = votes(
        scale(x_ND[one.test]),
        scale(x_ND[one.train]),
        task.labels[one.train],
        len(task.classes),
        k=head.k,
        temperature=head.temperature,
    )
    predicted: Ints = votes_QK.argmax(axis=1)
    return predicted


def _scaler(protocol: Protocol, x_ND: Doubles) -> Callable[[Doubles], Doubles]:
    if protocol.scaler == "none":
        return lambda x: x
    from sklearn.preprocessing import StandardScaler

    transform: Callable[[Doubles], Doubles] = StandardScaler().fit(x_ND).transform
    return transform


def _score(protocol: Protocol, task: Task, outcomes: list[Outcome]) -> Score:
    predictions = np.full(len(task.ids), -1, np.int64)
    folds = []
    for one, outcome in zip(task.rounds, outcomes, strict=True):
        predictions[one.test] = outcome.predicted
        counts = metrics.confusion(task.labels[one.test], outcome.predicted, len(task.classes))
        folds.append(
            FoldScore(
                name=one.name,
                n=len(one.test),
                accuracy=metrics.accuracy(counts),
                macro_accuracy=metrics.macro_accuracy(counts),
                strength=outcome.strength,
            )
        )
    return Score(
        protocol=protocol.id,
        protocol_hash=protocol.hash,
        split_hash=task.split_hash,
        seed=protocol.seed,
        n=sum(fold.n for fold in folds),
        accuracy=float(np.mean([fold.accuracy for fold in folds])),
        interval=bootstrap(protocol, task, (predictions == task.labels).astype(float)),
        macro_accuracy=float(np.mean([fold.macro_accuracy for fold in folds])),
        folds=folds,
        predictions=predictions.tolist(),
    )


def bootstrap(protocol: Protocol, task: Task, values_N: Floats) -> tuple[float, float]:
    """The interval of the mean over folds of `values_N`, test items drawn in whole groups.

    Two encoders on one task get the same draws, so the values of a paired comparison are differences per item.
    """
    draws = metrics.fold_bootstrap(
        values_N,
        [task.groups[one.test] for one in task.rounds],
        [one.test for one in task.rounds],
        protocol.interval.draws,
        rng.numpy_stream(protocol.seed, "bootstrap"),
    )
    return metrics.interval(draws, protocol.interval.level)

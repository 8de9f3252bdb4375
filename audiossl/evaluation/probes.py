"""Run a protocol on features: choose within the training items, fit on them, test once.

Each kind of head has a predictor, which gives every round's scores of the test items; or a measurer, which looks at all
tested items at once.

Letters: N items, D dimensions, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from audiossl.data.items import Items
from audiossl.errors import DataError
from audiossl.evaluation.finetune.predictor import end_to_end
from audiossl.evaluation.heads.budgets import check_budgets, score_budgets
from audiossl.evaluation.heads.detection import detect
from audiossl.evaluation.heads.gradient import by_gradient
from audiossl.evaluation.heads.linear import logistic_regression
from audiossl.evaluation.heads.neighbours import knn
from audiossl.evaluation.heads.prototypes import nearest_prototype
from audiossl.evaluation.heads.work import Map, one_fit_per_core
from audiossl.evaluation.heads.zero_shot import most_similar
from audiossl.evaluation.measures.grouping import clustering
from audiossl.evaluation.measures.retrieval import retrieval
from audiossl.evaluation.measures.whole import Measured, score_whole
from audiossl.evaluation.outcome import Floats, Outcome, metric_of, score_of
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.base import HeadConfig
from audiossl.evaluation.protocol.end_to_end import EndToEndConfig
from audiossl.evaluation.protocol.gradient import LinearConfig, MlpConfig
from audiossl.evaluation.protocol.parts import (
    FrameFeatures,
    KMeansConfig,
    KnnConfig,
    LogisticRegressionConfig,
    PrototypeConfig,
    RetrievalConfig,
    ZeroShotConfig,
)
from audiossl.evaluation.scores import Score
from audiossl.evaluation.task import Task, make_task

Predictor = Callable[[Protocol, Any, Task, int, Map], list[Outcome]]
"""(protocol, features of all items, task, seed, map): the outcome of every round, in order.

The features are what the protocol asks for: an array (N, D) of doubles for clips, what `Source.features` gives for the
other units. Labels of a round's test items may not be looked at.
"""

PREDICTORS: dict[type[HeadConfig], Predictor] = {
    LogisticRegressionConfig: logistic_regression,
    LinearConfig: by_gradient,
    MlpConfig: by_gradient,
    EndToEndConfig: end_to_end,
    KnnConfig: knn,
    PrototypeConfig: nearest_prototype,
    ZeroShotConfig: most_similar,
}


Measurer = Callable[[Protocol, Any, Task, int], Measured]
"""(protocol, features of all items, task, seed): the metrics of all tested items."""

MEASURERS: dict[type[HeadConfig], Measurer] = {KMeansConfig: clustering, RetrievalConfig: retrieval}


def run(protocol: Protocol, features: Any, items: Items, *, threads: int | None = None) -> Score:
    """Score the features of `items` under `protocol`.

    Args:
        protocol: see `load_protocol`.
        features: as the protocol's `features` asks: one row per item, in the order of `items`, for the unit clip; for
            `zero_shot` the similarities to the classes.
        items: with labels.
        threads: fits that run at a time; all cores when None.

    Raises:
        DataError: see `make_task`; or an embedding is not finite.
        UsageError: the protocol does not score such labels.
    """
    return run_task(protocol, features, task_of(protocol, items), threads=threads)


def task_of(protocol: Protocol, items: Items, known: dict[tuple[int, int], Task] | None = None) -> Task:
    """The rounds in which `protocol` parts `items`.

    Args:
        protocol: says how folds are made where the items bring none, and checks that it can score these labels.
        items: with labels.
        known: the tasks of these items that were made before, by what decides them; is added to. Folds of many
            thousands of items take a minute.

    Raises:
        DataError: see `make_task`.
        UsageError: the protocol does not score such labels, or so few.
    """
    known, key = {} if known is None else known, (protocol.folds.when_missing, protocol.seed)
    task = known[key] = known.get(key) or make_task(items, when_missing=key[0], seed=key[1])
    metric_of(protocol, task)
    check_budgets(protocol, task)
    return task


def run_task(protocol: Protocol, features: Any, task: Task, *, threads: int | None = None) -> Score:
    """`run` on a task made before."""
    if isinstance(features, np.ndarray):
        _check_finite(features, task)
        features = features.astype(np.float64)
    with one_fit_per_core(threads) as parallel:
        seeds = range(protocol.seed, protocol.seed + protocol.repeats)
        if measure := MEASURERS.get(type(protocol.head)):
            return score_whole(protocol, task, list(parallel(partial(measure, protocol, features, task), seeds)))
        if protocol.labels:
            return score_budgets(protocol, task, lambda few: predict(protocol, features, few, protocol.seed, parallel))
        return score_of(protocol, task, [predict(protocol, features, task, seed, parallel) for seed in seeds])


def predict(protocol: Protocol, features: Any, task: Task, seed: int = 0, parallel: Map = map) -> list[Outcome]:
    """Each round's outcome; labels of a round's test items are never looked at."""
    if isinstance(protocol.features, FrameFeatures):
        return detect(protocol, features, task, seed, parallel)
    return PREDICTORS[type(protocol.head)](protocol, features, task, seed, parallel)


def _check_finite(features_ND: Floats, task: Task) -> None:
    finite_N = np.isfinite(features_ND).all(axis=1)
    if not finite_N.all():
        worst = task.ids[int(np.argmin(finite_N))]
        raise DataError(f"{task.name}: the embedding of {worst} is not finite; the encoder is broken or diverged")

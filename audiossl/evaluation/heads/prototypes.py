"""Nearest class mean: a head without parameters of its own.

Letters: N items, D dimensions, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.heads.neighbours import unit_rows
from audiossl.evaluation.heads.scaling import Doubles, fit_scaler
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.outcome import Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.task import Round, Task

Floats = NDArray[np.floating]


def nearest_prototype(protocol: Protocol, x_ND: Doubles, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's cosine similarities of the test items to the mean training item of every class."""

    def compare(one: Round) -> Outcome:
        scale = fit_scaler(protocol, x_ND[one.train])
        means_KD = prototypes(scale(x_ND[one.train]), task.truth[one.train])
        similar_NK = unit_rows(scale(x_ND[one.test])) @ unit_rows(means_KD).T
        return Outcome(np.where(task.truth[one.train].any(axis=0), similar_NK, -1.0))

    return list(parallel(compare, task.rounds))


def prototypes(x_ND: Floats, truth_NK: NDArray[np.bool_]) -> Floats:
    """The mean (K, D) of the L2-normalised rows of each class; zeros for a class without any.

    Args:
        x_ND: embeddings.
        truth_NK: which item is of which class; an item of several counts for each.
    """
    sums_KD = truth_NK.astype(np.float64).T @ unit_rows(x_ND)
    means_KD: Floats = sums_KD / np.maximum(truth_NK.sum(axis=0), 1)[:, None]
    return means_KD

"""Nearest-neighbour votes: for one label per item, or shares of the votes for several.

Letters: Q queries, N reference items, D dimensions, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.heads.scaling import Doubles, fit_scaler
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.outcome import Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.parts import KnnConfig
from audiossl.evaluation.task import Round, Task

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

QUERIES_AT_ONCE = 1024


def knn(protocol: Protocol, x_ND: Doubles, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's votes of the nearest training items."""
    head = protocol.head
    assert isinstance(head, KnnConfig)
    labels = task.labels if task.target == "single" else task.truth

    def vote(job: tuple[Round, Ints]) -> Floats:
        one, asked = job
        scale = fit_scaler(protocol, x_ND[one.train])
        return votes(
            scale(x_ND[asked]),
            scale(x_ND[one.train]),
            labels[one.train],
            len(task.classes),
            k=head.k,
            temperature=head.temperature,
        )

    # A data set with one round and many thousands of test items keeps all cores busy too.
    parts = [np.split(one.test, range(QUERIES_AT_ONCE, len(one.test), QUERIES_AT_ONCE)) for one in task.rounds]
    jobs = [(one, asked) for one, of_round in zip(task.rounds, parts, strict=True) for asked in of_round]
    found = iter(list(parallel(vote, jobs)))
    return [Outcome(np.concatenate([next(found) for _ in of_round])) for of_round in parts]


def unit_rows(z_ND: Floats) -> Floats:
    """Each row divided by its L2 norm; a row of zeros stays as it is."""
    norm_N1 = np.linalg.norm(z_ND, axis=1, keepdims=True)
    return z_ND / np.where(norm_N1 > 0, norm_N1, 1.0)


def votes(
    query_QD: Floats,
    reference_ND: Floats,
    labels: Ints | Bools,
    n_classes: int,
    *,
    k: int,
    temperature: float | None,
    own_Q: Ints | None = None,
    owner_N: Ints | None = None,
) -> Floats:
    """Votes (Q, K) of the `k` reference items with the largest cosine similarity to each query.

    A neighbour counts 1, or exp((similarity - 1) / temperature) where a temperature is given (Wu et al. 2018). The
    predicted class is the argmax: among equal votes the smallest label, as in Fonseca et al. 2021. Where fewer than
    `k` items may be used, all of them vote.

    A neighbour of several labels votes for each of them. The votes are then divided by those that could have been:
    what is ranked is an item against other items, and some have nearer neighbours than others.

    Args:
        query_QD: what is to be classified.
        reference_ND: labelled embeddings.
        labels: their labels (N,), 0 to K - 1, or which of them has which (N, K).
        n_classes: K.
        k: number of neighbours.
        temperature: of the weights; None for a plain majority.
        own_Q: for leave-one-out, the owner (clip, group) of each query; needs `owner_N`.
        owner_N: the owner of each reference item; items of a query's own owner are left out.
    """
    reference_ND = unit_rows(reference_ND)
    one_hot_NK = np.eye(n_classes)[labels] if labels.ndim == 1 else labels.astype(float)
    result_QK = np.zeros((len(query_QD), n_classes))
    k = min(k, len(reference_ND))
    for start in range(0, len(query_QD), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        similarity_QN = unit_rows(query_QD[part]) @ reference_ND.T
        if own_Q is not None and owner_N is not None:
            similarity_QN[own_Q[part, None] == owner_N[None, :]] = -np.inf
        nearest_Qk = np.argpartition(-similarity_QN, k - 1, axis=1)[:, :k]
        near_Qk = np.take_along_axis(similarity_QN, nearest_Qk, axis=1)
        weight_Qk = np.isfinite(near_Qk).astype(float) if temperature is None else np.exp((near_Qk - 1) / temperature)
        result_QK[part] = np.einsum("qk,qkc->qc", weight_Qk, one_hot_NK[nearest_Qk])
        if labels.ndim == 2:
            total_Q1 = weight_Qk.sum(axis=1, keepdims=True)
            result_QK[part] /= np.where(total_Q1 > 0, total_Q1, 1.0)
    return result_QK

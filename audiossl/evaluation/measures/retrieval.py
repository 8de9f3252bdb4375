"""Does an item find its like? Every tested item is a query for those of other groups.

Letters: N items, Q queries of a chunk, D dimensions, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiossl import rng
from audiossl.errors import UsageError
from audiossl.evaluation.heads.neighbours import unit_rows
from audiossl.evaluation.heads.scaling import Doubles, fit_scaler
from audiossl.evaluation.measures.whole import Measured
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.task import Task

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

SIMILARITIES_AT_ONCE = 1 << 22


def retrieval(protocol: Protocol, x_ND: Doubles, task: Task, seed: int) -> Measured:
    """Average precision, precision of the first and first 10, and R-precision of every tested item as a query.

    Raises:
        UsageError: no item has another of its class in another group.
    """
    tested = task.tested
    # Equal similarities keep this order, so that a collapsed encoder scores by chance, not by how the files lie.
    mixed = rng.numpy_stream(seed, "ties").permutation(len(tested))
    shuffled = tested[mixed]
    scaled_ND = fit_scaler(protocol, x_ND[shuffled])(x_ND[shuffled])
    found = rank_queries(scaled_ND, task.truth[shuffled], task.groups[shuffled])
    without = int(np.isnan(found["retrieval_map"]).sum())
    if without == len(tested):
        raise UsageError(
            f"{task.name}: no item has another of its class in another group, so there is nothing to retrieve; leave "
            f"{protocol.id} out"
        )
    place = np.argsort(mixed)
    notes = [f"{without} of {len(tested)} queries have no relevant item in another group and do not count"]
    return Measured({name: values_N[place] for name, values_N in found.items()}, notes if without else [])


def rank_queries(x_ND: Floats, truth_NK: Bools, groups_N: Ints) -> dict[str, Doubles]:
    """Each item's metrics (N,) as a query for all items of other groups, ranked by cosine similarity.

    Average precision is the mean over the relevant items of the precision at their ranks; R-precision the precision at
    as many as are relevant. The precision at 10 is divided by 10 even where fewer are relevant. Among equal
    similarities the earlier item comes first. NaN where nothing is relevant.

    Args:
        x_ND: embeddings.
        truth_NK: which item is of which class; items that share one are relevant to each other.
        groups_N: equal numbers mark one group.
    """
    unit_ND = unit_rows(x_ND)
    n = len(unit_ND)
    step = max(1, SIMILARITIES_AT_ONCE // n)
    parts = [_rank(unit_ND, truth_NK, groups_N, slice(start, start + step)) for start in range(0, n, step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rank(unit_ND: Floats, truth_NK: Bools, groups_N: Ints, queries: slice) -> dict[str, Doubles]:
    similar_QN = unit_ND[queries] @ unit_ND.T
    own_QN = groups_N[queries, None] == groups_N[None, :]
    similar_QN[own_QN] = -np.inf  # ranked behind all others, and never relevant
    relevant_QN = (truth_NK[queries].astype(np.float32) @ truth_NK.T.astype(np.float32) > 0) & ~own_QN
    hits_QN = np.take_along_axis(relevant_QN, np.argsort(-similar_QN, axis=1, kind="stable"), axis=1)
    found_QN = np.cumsum(hits_QN, axis=1)
    precision_QN = found_QN / np.arange(1, hits_QN.shape[1] + 1)
    relevant_Q = found_QN[:, -1]
    some_Q = relevant_Q > 0
    at_r_Q = np.take_along_axis(precision_QN, np.maximum(relevant_Q - 1, 0)[:, None], axis=1)[:, 0]
    average_Q = (precision_QN * hits_QN).sum(axis=1) / np.maximum(relevant_Q, 1)
    ten = min(10, hits_QN.shape[1]) - 1
    values = {
        "retrieval_map": average_Q,
        "precision_at_1": precision_QN[:, 0],
        "precision_at_10": found_QN[:, ten] / 10,
        "r_precision": at_r_Q,
    }
    return {name: np.where(some_Q, value_Q, np.nan) for name, value_Q in values.items()}

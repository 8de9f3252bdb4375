"""The rows most similar to each query: exact, block by block, in memory that does not grow with the rows.

A fast product in float32 says which rows of a block could be among the k best, whatever its rounding; only those are
compared in float64, one row at a time. So the result depends neither on the size of the blocks nor on their order, and
equal rows have equal similarities, among which the earlier row comes first.

Letters: Q queries, q of them at a time, N rows, n of a block, P pairs of a query and a row, k hits, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audiossl.embedding.store import Rows

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array

Metric = Literal["cosine", "dot"]
Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

VALUES_AT_ONCE = 1 << 23
"""Of a block, and of the products of a block with queries: 32 MB each."""
_EXACT_VALUES_AT_ONCE = 1 << 21


class Nearest(NamedTuple):
    """The k nearest rows of each query, best first.

    Attributes:
        rows: (Q, k) their places; -1 where fewer rows are allowed.
        similarities: (Q, k); -inf where `rows` is -1.
    """

    rows: Rows
    similarities: Doubles


def similarity(a_PD: Floats, b_PD: Floats, metric: Metric) -> Doubles:
    """Dot product or cosine of each pair of rows (P,), in float64; the cosine with a row of zeros is 0."""
    a_PD, b_PD = a_PD.astype(np.float64), b_PD.astype(np.float64)
    dot_P: Doubles = (a_PD * b_PD).sum(axis=1)
    if metric == "dot":
        return dot_P
    # One root of the product: the cosine of a row with itself is then 1, and not nearly.
    norm_P = np.sqrt((a_PD * a_PD).sum(axis=1) * (b_PD * b_PD).sum(axis=1))
    return np.clip(dot_P / np.where(norm_P > 0, norm_P, 1.0), -1.0, 1.0)


def nearest(
    query_QD: Floats,
    blocks: Iterable[tuple[Rows, Floats]],
    k: int,
    *,
    metric: Metric = "cosine",
    own_Q: Rows | None = None,
    owner_N: Rows | None = None,
    values_at_once: int = VALUES_AT_ONCE,
) -> Nearest:
    """The `k` rows most similar to each query; among equally similar ones the earlier row first.

    Args:
        query_QD: what is looked for.
        blocks: places (n,) and embeddings (n, D) of some rows at a time, each row once, in any order.
        k: at least 1.
        metric: `cosine` or `dot`.
        own_Q: the owner (file, group) of each query; needs `owner_N`.
        owner_N: the owner of each row; rows of a query's own owner are left out.
        values_at_once: bounds the memory and changes nothing else.
    """
    n_queries, dim = query_QD.shape
    best = Nearest(np.full((n_queries, k), -1, np.int64), np.full((n_queries, k), -np.inf))
    norm_Q = norms(query_QD)
    unit_QD = units(query_QD)
    step = max(1, values_at_once // max(1, dim))
    for places, x_ND in blocks:
        for start in range(0, len(x_ND), step):
            rows_n, x_nD = places[start : start + step], x_ND[start : start + step]
            unit_nD, norm_n = units(x_nD), norms(x_nD)
            queries = max(1, values_at_once // len(x_nD))
            for first in range(0, n_queries, queries):
                part = slice(first, first + queries)
                product_qn = unit_QD[part] @ unit_nD.T
                scale_q = np.ones(len(product_qn))
                if metric == "dot":
                    product_qn = product_qn * norm_Q[part, None] * norm_n
                    scale_q = norm_Q[part] * norm_n.max()
                if own_Q is not None and owner_N is not None:
                    product_qn[own_Q[part, None] == owner_N[rows_n]] = -np.inf
                _keep_better(
                    Nearest(best.rows[part], best.similarities[part]),
                    product_qn,
                    scale_q * rounding(dim),
                    query_QD[part],
                    x_nD,
                    rows_n,
                    metric,
                )
    return best


def _keep_better(
    best: Nearest, product_qn: Array, error_q: Doubles, query_qD: Floats, x_nD: Floats, rows_n: Rows, metric: Metric
) -> None:
    """Put the rows of a block that are better into `best`, in place. Products are right to `error_q`."""
    k, last_q = best.rows.shape[1], best.similarities[:, -1]
    if not np.isfinite(last_q).all() and product_qn.shape[1] > k:
        # k rows of the block reach this at least.
        last_q = np.maximum(last_q, -np.partition(-product_qn, k - 1, axis=1)[:, k - 1] - error_q)
    query_P, row_P = np.nonzero((product_qn >= (last_q - error_q)[:, None]) & (product_qn > -np.inf))
    pairs = max(1, _EXACT_VALUES_AT_ONCE // max(1, x_nD.shape[1]))
    for start in range(0, len(query_P), pairs):
        q_P, n_P = query_P[start : start + pairs], row_P[start : start + pairs]
        _merge(best, q_P, rows_n[n_P], similarity(query_qD[q_P], x_nD[n_P], metric))


def _merge(best: Nearest, query_P: Rows, row_P: Rows, similarity_P: Doubles) -> None:
    """The k best of each query of those in `best` and of new pairs."""
    touched, at_P = np.unique(query_P, return_inverse=True)
    k = best.rows.shape[1]
    query = np.concatenate([np.repeat(np.arange(len(touched)), k), at_P])
    rows = np.concatenate([best.rows[touched].ravel(), row_P])
    values = np.concatenate([best.similarities[touched].ravel(), similarity_P])
    # Places that are still empty have -inf and come last.
    order = np.lexsort((rows, -values, query))
    starts = np.searchsorted(query[order], np.arange(len(touched)))
    kept = order[starts[:, None] + np.arange(k)]
    best.rows[touched], best.similarities[touched] = rows[kept], values[kept]


def norms(x_ND: Floats) -> Doubles:
    """The length of each row (N,)."""
    found: Doubles = np.sqrt(np.einsum("nd,nd->n", x_ND, x_ND, dtype=np.float64))
    return found


def units(x_ND: Floats) -> Array:
    """Each row at length 1, rounded to float32; a row of zeros stays as it is."""
    norm_N = norms(x_ND)
    unit_ND: Array = (x_ND / np.where(norm_N > 0, norm_N, 1.0)[:, None]).astype(np.float32)
    return unit_ND


def rounding(dim: int) -> float:
    """How far the float32 product of two unit rows (D,) can be from their cosine.

    Both rows are rounded once, and D products summed in any order (Higham, "Accuracy and Stability of Numerical
    Algorithms", 3.1): (D + 2) u, with room for the terms of second order.
    """
    return (dim + 4) * float(np.finfo(np.float32).eps) / 2

"""Search beyond a million rows with faiss: only the cells of the space nearest to a query are looked through.

The index is made once beside the store and named by the hash of its shards. What it proposes is compared again in
float64, so similarities are as exact as those of `nearest`; a hit that lies in a cell further off is missed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiossl import files
from audiossl.embedding.mapped import beside, forget_older
from audiossl.embedding.nearest import Floats, Metric, Nearest, similarity, units
from audiossl.embedding.standardise import Scale, scaled_blocks
from audiossl.embedding.store import Rows
from audiossl.embedding.view import Embeddings
from audiossl.errors import DataError, UsageError

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array

_ROWS_PER_CENTRE = 39
"""That faiss wants to train on, at least."""
_TRAINED_ON = 256
"""Rows per cell that the cells are made of."""
_LOOKED_THROUGH = 64
"""Cells per query."""


def nearest_in_cells(
    view: Embeddings,
    query_QD: Floats,
    k: int,
    *,
    metric: Metric,
    own_Q: Rows,
    owner_N: Rows | None,
    scale: Scale | None,
) -> Nearest:
    """As `nearest.nearest`, among the rows of the cells nearest to each query (raises `UsageError`: no faiss).

    With `scale`, by which the queries are standardised already, rows are too.
    """
    try:
        import faiss
    except ImportError as error:
        raise UsageError(
            "faiss is not installed; run: pip install faiss-cpu, or search exactly, without --index faiss"
        ) from error
    index = _index(view, metric, scale, faiss)
    best = Nearest(np.full((len(query_QD), k), -1, np.int64), np.full((len(query_QD), k), -np.inf))
    asked_QD = _measured(query_QD, metric)
    for at in range(len(query_QD)):
        told: dict[str, Any] = {"nprobe": _LOOKED_THROUGH}
        if owner_N is not None and own_Q[at] >= 0:
            own = np.flatnonzero(owner_N == own_Q[at])
            told["sel"] = faiss.IDSelectorNot(faiss.IDSelectorBatch(own))
        _, rows = index.search(asked_QD[at : at + 1], k, params=faiss.SearchParametersIVF(**told))
        rows = np.sort(rows[0][rows[0] >= 0])
        # Repeated in memory: on a broadcast row NumPy may sum in another order than `nearest` does.
        values = similarity(np.repeat(query_QD[at : at + 1], len(rows), axis=0), _rows(view, rows, scale), metric)
        order = np.lexsort((rows, -values))
        best.rows[at, : len(rows)], best.similarities[at, : len(rows)] = rows[order], values[order]
    return best


def _rows(view: Embeddings, rows: Rows, scale: Scale | None) -> Floats:
    x_nD = view.store.embeddings(view.kind, rows)
    return scale(x_nD) if scale else x_nD


def _measured(x_nD: Floats, metric: Metric) -> Array:
    """Rows whose dot products are the metric, as faiss wants them."""
    return np.ascontiguousarray(units(x_nD) if metric == "cosine" else x_nD, np.float32)


def _index(view: Embeddings, metric: Metric, scale: Scale | None, faiss: Any) -> Any:
    path = beside(view.store, view.kind, f"-{metric}{'-standardised' if scale else ''}.faiss")
    if not path.is_file():
        with files.atomic_path(path, needs_bytes=5 * len(view) * view.embedding_dim) as part:
            faiss.write_index(_make(view, metric, scale, faiss), str(part))
        forget_older(path)
    return _read(path, faiss)


def _read(path: Path, faiss: Any) -> Any:
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise DataError(f"{path}: is damaged; delete it, and it is made anew") from error


def _make(view: Embeddings, metric: Metric, scale: Scale | None, faiss: Any) -> Any:
    count, dim = len(view), view.embedding_dim
    cells = int(np.clip(4 * np.sqrt(count), 1, max(1, count // _ROWS_PER_CENTRE)))
    index = faiss.index_factory(dim, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    sample = np.sort(np.random.default_rng(0).permutation(count)[: cells * _TRAINED_ON])
    index.train(_measured(_rows(view, sample, scale), metric))
    for places, x_nD in scaled_blocks(view.blocks(), scale) if scale else view.blocks():
        index.add_with_ids(_measured(x_nD, metric), places)
    return index

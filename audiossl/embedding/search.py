"""Which rows of a store are like a query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from audiossl.embedding.cells import nearest_in_cells
from audiossl.embedding.hits import Hit, described
from audiossl.embedding.mapped import find_map
from audiossl.embedding.nearest import Floats, Metric, Nearest, nearest
from audiossl.embedding.queries import Queries, resolve
from audiossl.embedding.standardise import Scale, fit_scale, scaled_blocks
from audiossl.embedding.store import Kind, Rows, Store, open_store
from audiossl.embedding.view import Embeddings
from audiossl.errors import DataError, UsageError
from audiossl.places.urls import shown

Index = Literal["exact", "faiss"]


@dataclass(frozen=True)
class Found:
    """One query's hits, best first. Fewer than were asked for where there are no more."""

    query: str
    hits: list[Hit]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"query": self.query, "hits": [hit.as_json() for hit in self.hits]}


def search(
    folder: str | Path,
    queries: str | Path | Sequence[str | Path],
    *,
    k: int = 20,
    kind: Kind = "windows",
    metric: Metric = "cosine",
    exclude_group: bool = False,
    index: Index = "exact",
    standardise: bool = False,
    model: str | Path | None = None,
) -> list[Found]:
    """The `k` rows most similar to each query; among equally similar ones the earlier path and time first.

    A query is the id or path of an item in the store, whose own rows are then left out, or a file from anywhere,
    which the store's own model embeds. `NAME@SECONDS` asks with the one window that holds that moment.

    Args:
        folder: where `audiossl embed` put the embeddings.
        queries: one or several.
        k: how many hits each.
        kind: look among `windows` or `clips`.
        metric: `cosine` or `dot`.
        exclude_group: leave out, too, whatever is of the group (recording, speaker) of a query from the store.
        index: `exact` compares with every row; `faiss` with those of the nearest cells, for millions of rows.
        standardise: compare rows with mean 0 and deviation 1 in every dimension, by all rows of `kind` in the store.
        model: the bundle that made the store, where it has moved.

    Raises:
        UsageError: no query, one that is neither in the store nor a file, another model, or `k` below 1.
        DataError: there is no store, or it is empty or damaged; `MediaError` for a query that cannot be read.
    """
    names = [str(name) for name in ([queries] if isinstance(queries, str | Path) else queries)]
    if not names:
        raise UsageError("give at least one query: an id of the store, or the path of a file")
    if k < 1:
        raise UsageError(f"k is {k}; ask for 1 hit or more")
    store = open_store(folder)
    view = Embeddings(store, kind)
    if not len(view):
        raise DataError(f"{folder}: the store is empty; failures.csv in it says what failed")
    asked = resolve(store, names, model)
    own_Q, owner_N = _own(view, asked, exclude_group)
    scale = fit_scale(_blocks(view)) if standardise else None
    query_QD = scale(asked.vectors) if scale else asked.vectors
    find = nearest_in_cells if index == "faiss" else _nearest
    found = find(view, query_QD, min(k, len(view)), metric=metric, own_Q=own_Q, owner_N=owner_N, scale=scale)
    filled = found.rows >= 0
    hits = iter(described(view, found.rows[filled], found.similarities[filled]))
    return [
        Found(shown(name), [next(hits) for _ in range(count)])
        for name, count in zip(names, filled.sum(axis=1), strict=True)
    ]


def _nearest(
    view: Embeddings,
    query_QD: Floats,
    k: int,
    *,
    metric: Metric,
    own_Q: Rows,
    owner_N: Rows | None,
    scale: Scale | None,
) -> Nearest:
    """As `nearest`, among all rows of `view`, standardised by `scale` where there is one, as the queries are."""
    blocks = scaled_blocks(_blocks(view), scale) if scale else _blocks(view)
    return nearest(query_QD, blocks, k, metric=metric, own_Q=own_Q, owner_N=owner_N)


def _own(view: Embeddings, asked: Queries, exclude_group: bool) -> tuple[Rows, Rows | None]:
    """The owner of each query (Q,) and of each row (N,), whose rows the query does not want; None where nobody is."""
    owner_I = _groups(view.store) if exclude_group else np.arange(view.store.count("clips"))
    own_Q = np.where(asked.items >= 0, owner_I[asked.items], -1)
    return own_Q, owner_I[view.store.items(view.kind)] if (own_Q >= 0).any() else None


def _blocks(view: Embeddings) -> Iterable[tuple[Rows, Floats]]:
    """Places and rows: the memory map where there is one, or the shards."""
    path = find_map(view.store, view.kind)
    return [(np.arange(len(view)), np.load(path, mmap_mode="r"))] if path else view.blocks()


def _groups(store: Store) -> Rows:
    """A number for each clip (I,), equal within a group; a clip without a group is one of its own."""
    codes = store.table("clips", ["group"]).column("group").dictionary_encode().combine_chunks().indices
    group_I: Rows = codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(group_I < 0, len(group_I) + np.arange(len(group_I)), group_I)

"""What was found in a store, in words: which file, from where to where, with which labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from audiossl.embedding.nearest import Doubles
from audiossl.embedding.store import Rows
from audiossl.embedding.view import Embeddings


@dataclass(frozen=True)
class Hit:
    """One row of a store. `similarity` is that to what was asked for."""

    similarity: float
    id: str
    path: str
    start_s: float
    end_s: float
    labels: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def described(view: Embeddings, rows: Rows, similarities: Doubles) -> list[Hit]:
    """The rows at these places of the store, in this order; a place may come twice."""
    distinct, where = np.unique(rows, return_inverse=True)
    times = ["start_s", "end_s"] if view.kind == "windows" else ["item_start_s", "duration_s"]
    table = view.store.table(view.kind, ["id", "path", *times, "labels"], distinct)
    columns = [table.column(name).to_pylist() for name in table.column_names]
    hits = []
    for at, value in zip(where.tolist(), similarities.tolist(), strict=True):
        name, path, start_s, end_s, labels = (column[at] for column in columns)
        if view.kind == "clips":
            start_s = start_s or 0.0
            end_s += start_s
        hits.append(Hit(value, name, path, start_s, end_s, labels))
    return hits

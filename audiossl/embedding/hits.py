"""What was found in a store, in words: which file, from where to where, with which labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from audiossl.embedding.nearest import Doubles
from audiossl.embedding.store import Rows
from audiossl.embedding.view import Embeddings


@dataclass(frozen=True)
class Hit:
    """One row of a store. `similarity` is that to what was asked for; times are None where there is no time."""

    similarity: float
    id: str
    path: str
    start_s: float | None
    end_s: float | None
    labels: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


_COLUMNS = ("id", "path", "labels", "item_start_s", "duration_s", "start_s", "end_s")


def described(view: Embeddings, rows: Rows, similarities: Doubles) -> list[Hit]:
    """The rows at these places of the store, in this order; a place may come twice."""
    distinct, where = np.unique(rows, return_inverse=True)
    table = view.store.table(view.kind, [name for name in _COLUMNS if name in view.columns], distinct)
    known = table.to_pylist()
    return [
        Hit(value, row["id"], row["path"], *_span(row), row["labels"])
        for row, value in zip((known[at] for at in where.tolist()), similarities.tolist(), strict=True)
    ]


def _span(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """From when to when: a window, or a clip that lasts."""
    if "duration_s" not in row:
        return row.get("start_s"), row.get("end_s")
    start_s = row["item_start_s"] or 0.0
    return start_s, start_s + row["duration_s"]

"""Rows that are nearly the same, as groups: exact, tile by tile, in memory that does not grow with the pairs.

Letters: N rows, n and m of a tile, D dimensions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiossl.embedding.hits import Hit, described
from audiossl.embedding.nearest import rounding, similarity, units
from audiossl.embedding.store import Kind, Rows, open_store
from audiossl.embedding.view import Embeddings
from audiossl.errors import DataError, UsageError
from audiossl.progress import Progress, Silent

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array

TILE = 2048
"""Rows on each side of a tile: 16 MB of similarities."""
_LINKS_AT_ONCE = 1 << 22
_EXACT_VALUES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Duplicates:
    """Groups of rows that are nearly the same, each sorted by path and time; the group with the first row first.

    A row belongs to a group when it is as similar as the threshold to any other of it. `Hit.similarity` is that to the
    group's first row, and can be smaller.
    """

    kind: Kind
    threshold: float
    compared: int
    """How many rows there were."""
    groups: list[list[Hit]]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def duplicates(
    folder: str | Path, *, threshold: float = 0.99, kind: Kind = "clips", progress: Progress | None = None
) -> Duplicates:
    """The near-duplicates among the clips of a store, or among its windows where these are of different items.

    Args:
        folder: where `audiossl embed` put the embeddings.
        threshold: the least cosine similarity, -1 to 1.
        kind: `clips` or `windows`.
        progress: told about the comparisons.

    Raises:
        UsageError: a threshold that no cosine can be.
        DataError: there is no store, or it is empty or damaged.
    """
    if not -1.0 <= threshold <= 1.0:
        raise UsageError(f"threshold {threshold:g} is no cosine similarity; write -1 to 1, such as 0.99")
    view = Embeddings(open_store(folder), kind)
    if not len(view):
        raise DataError(f"{folder}: the store is empty; failures.csv in it says what failed")
    owner_N = view.store.items(kind) if kind == "windows" else None
    with view.in_order() as x_ND:
        groups = near_duplicates(x_ND, threshold, owner_N=owner_N, progress=progress)
        near = [similarity(np.repeat(x_ND[group[:1]], len(group), axis=0), x_ND[group], "cosine") for group in groups]
    told = iter(described(view, np.concatenate([np.empty(0, np.int64), *groups]), np.concatenate([np.empty(0), *near])))
    return Duplicates(kind, threshold, len(view), [[next(told) for _ in group] for group in groups])


def near_duplicates(
    x_ND: Array,
    threshold: float,
    *,
    owner_N: Rows | None = None,
    tile: int = TILE,
    progress: Progress | None = None,
) -> list[Rows]:
    """The connected components, of two rows or more, of the pairs with a cosine of at least `threshold`.

    Args:
        x_ND: the embeddings; may be a memory map.
        threshold: of the cosine similarity in float64.
        owner_N: pairs of rows with the same owner do not count.
        tile: rows on each side of a tile; changes nothing in the result.
        progress: told about the tiles.

    Returns:
        The rows of each component, ascending, sorted by their first.
    """
    progress = progress or Silent()
    links = _Links(len(x_ND))
    starts = range(0, len(x_ND), tile)
    progress.start("comparing", len(starts) * (len(starts) + 1) // 2, "tiles")
    try:
        for first in starts:
            a_nD = units(x_ND[first : first + tile])
            for second in starts[first // tile :]:
                b_mD = a_nD if first == second else units(x_ND[second : second + tile])
                product_nm, error = a_nD @ b_mD.T, rounding(x_ND.shape[1])
                a, b = np.nonzero(product_nm >= threshold - error)
                sure = product_nm[a, b] >= threshold + error
                links.add(x_ND, a + first, b + second, sure, threshold, owner_N)
                progress.advance()
    finally:
        progress.close()
    return links.groups()


class _Links:
    """Which rows hang together, as the number of a component for each, with links that are not yet in it."""

    def __init__(self, count: int) -> None:
        self._label_N = np.arange(count)
        self._waiting: list[tuple[Rows, Rows]] = []
        self._count = 0

    def add(self, x_ND: Array, a: Rows, b: Rows, sure: np.ndarray, threshold: float, owner_N: Rows | None) -> None:
        """Take in the pairs `(a, b)`: those that are not `sure` are compared in float64."""
        new = (a < b) & (self._label_N[a] != self._label_N[b])
        if owner_N is not None:
            new &= owner_N[a] != owner_N[b]
        a, b, sure = a[new], b[new], sure[new]
        doubtful = np.flatnonzero(~sure)
        step = max(1, _EXACT_VALUES_AT_ONCE // max(1, x_ND.shape[1]))
        for start in range(0, len(doubtful), step):
            part = doubtful[start : start + step]
            sure[part] = similarity(x_ND[a[part]], x_ND[b[part]], "cosine") >= threshold
        self._waiting.append((a[sure], b[sure]))
        self._count += int(sure.sum())
        if self._count > _LINKS_AT_ONCE:
            self._join()

    def groups(self) -> list[Rows]:
        """The components of two rows or more."""
        self._join()
        several = np.flatnonzero(np.bincount(self._label_N)[self._label_N] > 1)
        order = several[np.argsort(self._label_N[several], kind="stable")]
        parts = np.split(order, np.flatnonzero(np.diff(self._label_N[order])) + 1)
        return sorted((part for part in parts if len(part)), key=lambda part: int(part[0]))

    def _join(self) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        none = np.empty(0, np.int64)
        a, b = (np.concatenate([none, *(pair[side] for pair in self._waiting)]) for side in (0, 1))
        size = len(self._label_N)
        graph = coo_array((np.ones(len(a), bool), (self._label_N[a], self._label_N[b])), shape=(size, size))
        self._label_N = connected_components(graph, directed=False)[1][self._label_N]
        self._waiting, self._count = [], 0

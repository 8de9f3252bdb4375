"""The embeddings of a store as NumPy, Arrow, pandas and torch have them; all of them, or those that `where` chooses.

Rows are sorted by path and time, whatever the order in which they were made. Letters: N rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audiossl.embedding.mapped import find_map, make_map, write_map
from audiossl.embedding.store import Kind, Rows, Store, vectors
from audiossl.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from audiossl.bundle.bundle import Array
    from audiossl.embedding.dataset import EmbeddingDataset

IN_MEMORY_BYTES = 256 * 2**20
"""Embeddings that must be at hand in order are held in memory up to this size, and in a temporary file beyond."""

_FILTERS = ("label", "split", "fold", "group", "id", "path")


class Embeddings:
    """Rows of one kind. `audiossl.embeddings.open` makes it.

    Attributes:
        store: where they are; `store.about` says how they were made.
        kind: `clips` (a row per file) or `windows`.
        rows: the chosen rows' places in the store, ascending; None for all.
    """

    def __init__(self, store: Store, kind: Kind = "clips", rows: Rows | None = None) -> None:
        self.store, self.kind, self.rows = store, kind, rows

    def __len__(self) -> int:
        """N."""
        return self.store.count(self.kind) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        return f"<{len(self):,} {self.kind} of {self.embedding_dim} dimensions in {self.store.folder}>"

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.store.embedding_dim

    @property
    def columns(self) -> list[str]:
        """What is known of each row beside its `embedding`."""
        return [name for name in self.store.schema(self.kind).names if name != "embedding"]

    @property
    def clips(self) -> Embeddings:
        """All clips of the store."""
        return Embeddings(self.store, "clips")

    @property
    def windows(self) -> Embeddings:
        """All windows of the store."""
        return Embeddings(self.store, "windows")

    def where(self, **wanted: object) -> Embeddings:
        """The rows that have what is wanted: a value, or one of several.

        Args:
            wanted: `label` (one of the row's labels), `split`, `fold`, `group`, `id` or `path`.

        Example:
            >>> embeddings.where(label=["dog", "cat"], split="test")  # doctest: +SKIP

        Raises:
            UsageError: something else, or a value that no row has.
        """
        chosen = self
        for name, value in wanted.items():
            if name not in _FILTERS:
                raise UsageError(f"where({name}=...): {name} is none of {', '.join(_FILTERS)}")
            chosen = chosen._having(name, list(value) if isinstance(value, list | tuple | set) else [value])
        return chosen

    def numpy(self) -> Array:
        """The embeddings (N, D) float32 in memory: a view of what Parquet gave, or one array filled shard by shard."""
        return self.store.embeddings(self.kind, self.rows)

    def mapped(self) -> Array:
        """The embeddings (N, D) float32 as a memory map, of which only what is used is read.

        Parquet is compressed and cannot be mapped, so `<kind>-<hash>.npy` is made beside it the first time (N x D x 4
        bytes). The hash is that of the shards: after a change of the store the file is made again, the old one removed.

        Raises:
            UsageError: rows were chosen with `where`; map all and choose from them.
            WriteError: the folder cannot be written or the disk is full.
        """
        if self.rows is not None:
            raise UsageError("only all rows can be mapped; take the chosen ones' places: all.mapped()[chosen.rows]")
        return make_map(self.store, self.kind)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """As an Arrow table: `columns`, or all with `embedding` last."""
        known = [*self.columns, "embedding"]
        for name in columns or ():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise UsageError(f"there is no column {name}; {hint}")
        return self.store.table(self.kind, columns, self.rows)

    def pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """As a pandas DataFrame: `columns`, or all with `embedding` last, each a NumPy array (D,).

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise UsageError("pandas is not installed; run: pip install pandas") from error
        names = [*self.columns, "embedding"] if columns is None else list(columns)
        table = self.table(names)
        plain = [name for name in names if name != "embedding"]
        frame: pd.DataFrame = table.select(plain).to_pandas()
        if "embedding" in names:
            frame["embedding"] = pd.Series(list(vectors(table, self.embedding_dim)), frame.index, object)
        return frame[names]

    def torch(self, *, mapped: bool = False) -> EmbeddingDataset:
        """As a torch Dataset of `(embedding (D,), target)`; `.classes` names the targets.

        Args:
            mapped: read rows from the memory map (see `mapped`) instead of holding all in memory.
        """
        from audiossl.embedding.dataset import EmbeddingDataset

        return EmbeddingDataset(self, mapped=mapped)

    def shards(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """One Arrow table after the other, in memory of one shard (about 64 MB), as they lie in the store."""
        for _, table in self.store.shards(self.kind, columns or [*self.columns, "embedding"], self.rows):
            yield table

    def blocks(self) -> Iterator[tuple[Rows, Array]]:
        """Places (n,) among these rows and embeddings (n, D), in memory of one shard."""
        for places, x_nD in self.store.blocks(self.kind, self.rows):
            yield places if self.rows is None else np.searchsorted(self.rows, places), x_nD

    @contextmanager
    def in_order(self) -> Iterator[Array]:
        """The embeddings (N, D), any row at hand, in bounded memory: the memory map where it is, or a temporary one."""
        path = find_map(self.store, self.kind)
        if path and self.rows is None:
            yield np.load(path, mmap_mode="r")
        elif len(self) * self.embedding_dim * 4 <= IN_MEMORY_BYTES:
            yield self.numpy()
        else:
            with TemporaryDirectory(prefix="audiossl-") as folder:
                yield write_map(self.blocks(), len(self), self.embedding_dim, f"{folder}/embeddings.npy")

    def _having(self, name: str, values: list[object]) -> Embeddings:
        column = self.table(["labels" if name == "label" else name]).column(0)
        if name == "label":
            labels = column.combine_chunks()
            flat, rows = labels.flatten(), pc.list_parent_indices(labels)
        else:
            flat, rows = column.combine_chunks(), pa.array(np.arange(len(column)))
        known = {value for value in flat.unique().to_pylist() if value is not None}
        for value in values:
            if value not in known:
                near = get_close_matches(str(value), map(str, known), n=1)
                there = ", ".join(sorted(map(str, known))[:10]) or "none"
                hint = f"did you mean {near[0]}?" if near else f"there are: {there}"
                raise UsageError(f"{self.store.folder}: no row has {name} {value}; {hint}")
        found = np.unique(rows.filter(pc.is_in(flat, pa.array(values, flat.type))).to_numpy(zero_copy_only=False))
        chosen = found.astype(np.int64) if self.rows is None else self.rows[found]
        return Embeddings(self.store, self.kind, chosen)

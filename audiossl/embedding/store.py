"""The folder of embeddings: Parquet shards, and an index that says which of them are whole.

    index.json             the model's sha256, every parameter, and each finished shard with its size and sha256
    clips-00000.parquet    one row per file (or part of one): what it is, what was met, its embedding
    windows-00000.parquet  one row per window: where it is in the file (null in a picture), its embedding
    failures.csv           what could not be embedded, and why

Promise: a shard that the index names is whole, and both its files are there; whatever the index does not name is left
over from a killed run and is no part of the store. Nothing in it is NaN. `clips` and `windows` meet in (`path`,
`item_start_s`): path is absolute or a URL without secrets, `item_start_s` and `item_end_s` are null for a whole file.
`mtime_ns` of a URL is a number that changes with the object. The folder may be a URL itself, and may hold shares of the
work, each a store (see `shares`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audiossl.embedding.index import KINDS as KINDS
from audiossl.embedding.index import Kind as Kind
from audiossl.embedding.index import Part, Shard
from audiossl.embedding.shares import open_index
from audiossl.errors import DataError
from audiossl.modality import Modality, modality_named
from audiossl.places.folder import Place, Remote, place_of, read_table, write_with

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array

Rows = npt.NDArray[np.int64]
"""Places of rows in a table of the store."""

_KEY = ["path", "item_start_s", "item_end_s"]
_PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["id", "path", "labels.list.element", "split", "group"],
    "column_encoding": {"embedding.list.element": "BYTE_STREAM_SPLIT"},
    "row_group_size": 2048,
}
"""The values of embeddings do not repeat, but their exponents are alike: a stream for each byte takes half the time of
a dictionary and a seventh less room. Groups of rows, since the library holds one of them beside the table."""

_ITEM = [
    ("id", pa.string()),
    ("path", pa.string()),
    ("item_start_s", pa.float64()),
    ("item_end_s", pa.float64()),
    ("labels", pa.list_(pa.string())),
    ("split", pa.string()),
    ("fold", pa.int32()),
    ("group", pa.string()),
]
_OWN: dict[Kind, list[tuple[str, pa.DataType]]] = {
    "clips": [
        ("windows", pa.int64()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
    ],
    "windows": [("start_s", pa.float64()), ("end_s", pa.float64())],
}


def schema(kind: Kind, embedding_dim: int, columns: Mapping[str, str]) -> pa.Schema:
    """The columns of a table of the store.

    Args:
        kind: which table.
        embedding_dim: `embedding` is a list of so many float32.
        columns: of clips, what was met while the file was read, and Arrow's names of the types.
    """
    met = [(name, pa.type_for_alias(kind)) for name, kind in columns.items()] if kind == "clips" else []
    return pa.schema([*_ITEM, *met, *_OWN[kind], ("embedding", pa.list_(pa.float32(), embedding_dim))])


def write_shard(folder: Place, number: int, tables: Mapping[Kind, pa.Table]) -> Shard:
    """Write the files of shard `number`; it counts once the index names it (raises `WriteError`)."""
    shard: Shard = {}
    for kind, table in tables.items():
        name = f"{kind}-{number:05d}.parquet"
        write = partial(pq.write_table, table, **_PARQUET)
        shard[kind] = Part(name, table.num_rows, *write_with(folder / name, write, needs_bytes=2 * table.nbytes))
    return shard


class Store:
    """Reads a folder of embeddings. `open_store` makes it.

    Rows are counted as `table` sorts them, by path and time, so that how they were made leaves no trace: a row's
    place, 0 to `count(kind)` - 1, is what is meant by a row anywhere outside.

    Attributes:
        folder: where it is.
        about: the index: `model` (its sha256 and description), `parameters`, `embedding_dim`, versions.
    """

    def __init__(self, folder: Place) -> None:
        self.folder = folder
        self.about = open_index(folder)
        self._shards: list[Shard] = self.about.pop("shards")
        self._known_places: dict[Kind, list[Rows]] = {}

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self.about["embedding_dim"])

    @property
    def modality(self) -> Modality:
        """Of the files that were embedded."""
        return modality_named(self.about["model"].get("modality"))

    @property
    def bytes(self) -> int:
        """Of all shards on disk, by the index."""
        return sum(part.bytes for shard in self._shards for part in shard.values())

    def schema(self, kind: Kind) -> pa.Schema:
        """The columns of a table."""
        return schema(kind, self.embedding_dim, self.about["columns"])

    def count(self, kind: Kind) -> int:
        """How many rows there are, by the index."""
        return sum(shard[kind].rows for shard in self._shards)

    def fingerprint(self, kind: Kind) -> str:
        """SHA-256 over the shards' own: another one where any row is another."""
        return hashlib.sha256("".join(sorted(shard[kind].sha256 for shard in self._shards)).encode()).hexdigest()

    def table(self, kind: Kind = "clips", columns: Sequence[str] | None = None, rows: Rows | None = None) -> pa.Table:
        """Rows of `clips` or `windows`, sorted by path and time.

        Args:
            kind: which table.
            columns: of its `schema`; all when left out.
            rows: the places (n,) of those wanted, ascending; all when left out. Only their shards are read.

        Raises:
            DataError: a shard that the index names is gone or damaged.
        """
        wanted = self.schema(kind)
        names = wanted.names if columns is None else list(columns)
        if rows is None:
            order = _order(kind)
            keys = [name for name, _ in order if name not in names]
            tables = [self._read(shard[kind], [*names, *keys]) for shard in self._shards]
            empty = pa.schema([wanted.field(name) for name in (*names, *keys)]).empty_table()
            return pa.concat_tables([empty, *tables]).sort_by(order).select(names)
        parts = list(self.shards(kind, names, rows))
        empty = pa.schema([wanted.field(name) for name in names]).empty_table()
        table = pa.concat_tables([empty, *(part for _, part in parts)])
        return table.take(np.argsort(np.concatenate([np.empty(0, np.int64), *(places for places, _ in parts)])))

    def clips(self) -> pa.Table:
        """One row per file."""
        return self.table("clips")

    def shards(self, kind: Kind, columns: Sequence[str], rows: Rows | None = None) -> Iterator[tuple[Rows, pa.Table]]:
        """The places (n,) and the rows of one shard after the other, as they lie in it; of `rows` where given.

        In memory of one shard; a shard without any of `rows` is not read (raises `DataError` as `table`).
        """
        for shard, places in zip(self._shards, self._places(kind), strict=True):
            if rows is None:
                yield places, self._read(shard[kind], columns)
                continue
            wanted = np.isin(places, rows, assume_unique=True)
            if wanted.any():
                yield places[wanted], self._read(shard[kind], columns).filter(pa.array(wanted))

    def blocks(self, kind: Kind, rows: Rows | None = None) -> Iterator[tuple[Rows, Array]]:
        """The places (n,) and embeddings (n, D) float32 of one shard after the other; views of the shard's memory."""
        for places, table in self.shards(kind, ["embedding"], rows):
            yield places, vectors(table, self.embedding_dim)

    def embeddings(self, kind: Kind = "clips", rows: Rows | None = None) -> Array:
        """The embeddings (N, D) float32 of `table(kind, rows=rows)`, row for row.

        One array is filled shard by shard; of a single shard that lies in order it is a view, which cannot be written.
        """
        order = None if rows is None else np.sort(rows)
        count = self.count(kind) if order is None else len(order)
        filled = np.empty((count, self.embedding_dim), np.float32)
        for places, x_nD in self.blocks(kind, rows):
            slots = places if order is None else np.searchsorted(order, places)
            if len(slots) == count and (slots == np.arange(count)).all():
                return x_nD
            filled[slots] = x_nD
        return filled

    def items(self, kind: Kind) -> Rows:
        """For each row (N,), the row of its item in `clips`; numbers are equal within an item."""
        keys = self._keys(kind)
        changes = np.zeros(keys.num_rows, bool)
        for name in _KEY:
            codes = pc.fill_null(keys.column(name).dictionary_encode().combine_chunks().indices, -1).to_numpy()
            changes[1:] |= codes[1:] != codes[:-1]
        found: Rows = np.cumsum(changes)
        return found

    def _keys(self, kind: Kind) -> pa.Table:
        return self.table(kind, [name for name, _ in _order(kind)])

    def _places(self, kind: Kind) -> list[Rows]:
        """For each shard, the place of each of its rows."""
        if kind not in self._known_places:
            order = _order(kind)
            tables = [self._read(shard[kind], [name for name, _ in order]) for shard in self._shards]
            lengths = [table.num_rows for table in tables]
            if not tables:
                return []
            at = pc.sort_indices(pa.concat_tables(tables), sort_keys=order).to_numpy()
            places = np.empty(len(at), np.int64)
            places[at] = np.arange(len(at))
            self._known_places[kind] = np.split(places, np.cumsum(lengths)[:-1])
        return self._known_places[kind]

    def _read(self, part: Part, columns: Sequence[str]) -> pa.Table:
        try:
            table = read_table(self.folder / part.file, list(columns))
        except (OSError, pa.ArrowException) as error:
            raise DataError(self._damaged(part)) from error
        if table.num_rows != part.rows:
            raise DataError(self._damaged(part))
        return table

    def _damaged(self, part: Part) -> str:
        problem = f"{self.folder / part.file}: is gone or damaged"
        return f"{problem}; run the same `audiossl embed` again, which makes it anew"


def open_store(folder: str | Path | Remote) -> Store:
    """The embeddings in `folder`, a path or a URL; those of all its shards where `--shard` made them.

    Raises:
        DataError: there are none, the index is damaged, or shards are missing or were made otherwise.
        UsageError: a URL that cannot be used.
    """
    return Store(place_of(folder))


def vectors(table: pa.Table, embedding_dim: int) -> Array:
    """The column `embedding` (n, D) float32; a view where its memory is in one piece."""
    column = table.column("embedding")
    piece = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    flat: Array = piece.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, embedding_dim)


def _order(kind: Kind) -> list[tuple[str, str]]:
    names = [*_KEY, "start_s"] if kind == "windows" else _KEY
    return [(name, "ascending") for name in names]

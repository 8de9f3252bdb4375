"""Fills a folder of embeddings shard by shard, and knows what earlier runs have left there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audiossl import files
from audiossl.bundle.bundle import Array
from audiossl.data.items import Item
from audiossl.embedding.index import INDEX, KINDS, Kind, Shard, is_whole, read_index, write_index
from audiossl.embedding.jobs import Embedded
from audiossl.embedding.ledger import Failure, Key, Stamp, key_of, read_failures, write_failures
from audiossl.embedding.precision import worst
from audiossl.embedding.shares import refuse_others
from audiossl.embedding.store import schema, write_shard
from audiossl.places import folder as places
from audiossl.places.folder import Place

_MAX_BYTES = 64 * 2**20
"""Of embeddings in one shard."""
_FAILURES_SHARE = 50
"""Times as long as it took to write `failures.csv`, nothing is written of new ones: it is whole each time, and long
where much fails."""
_KEY_COLUMNS = ["path", "item_start_s", "item_end_s"]
_LABEL_COLUMNS = ["id", "labels", "split", "fold", "group"]


class StoreWriter:
    """One run's hold on a folder; the caller holds the folder's lock.

    Args:
        folder: made where it is missing.
        about: gives what the index says of the model and the versions. Its `precision_check` is what this run measured
            so far; the index has the worst of all runs (see `precision.worst`).
        parameters: what decides the numbers; others in the same folder are refused.
        embedding_dim: D.
        columns: what is met while a file is read (see `store.schema`).
        shard_items: how many items fill a shard.
        shard_s: seconds after which a shard is written, full or not.

    Raises:
        UsageError: the folder holds embeddings made with other parameters or another model.
        DataError: its index is damaged.
    """

    failures: dict[Key, Failure]
    """Of this run and earlier ones, less those that are mended; `flush` writes them."""

    def __init__(
        self,
        folder: Place,
        about: Callable[[], dict[str, Any]],
        parameters: dict[str, Any],
        embedding_dim: int,
        columns: Mapping[str, str],
        *,
        shard_items: int,
        shard_s: float,
    ) -> None:
        self.folder, self._dim, self._columns = folder, embedding_dim, columns
        self._shard_items, self._shard_s = shard_items, shard_s
        self._about, self._parameters = about, parameters
        self._checked_before: dict[str, Any] | None = None
        self._shards: list[Shard] = []
        if INDEX in places.names(folder):
            index = read_index(folder)
            refuse_others(folder, index["parameters"], parameters)
            self._shards = [shard for shard in index["shards"] if is_whole(folder, shard)]
            self._checked_before = index.get("precision_check")
        self._next_number = 1 + max((int(shard["clips"].file[-13:-8]) for shard in self._shards), default=-1)
        self.failures = read_failures(folder)
        self._failures_next = 0.0
        self._start_shard()
        self._save_index()
        self._clear()

    def done(self) -> dict[Key, int]:
        """The `fingerprint` of everything in the store; what is in it is no failure any more."""
        columns = [*_KEY_COLUMNS, "bytes", "mtime_ns", *_LABEL_COLUMNS]
        found: dict[Key, int] = {}
        for shard in self._shards:
            table = places.read_table(self.folder / shard["clips"].file, columns)
            for path, start_s, end_s, size, mtime_ns, *described in zip(
                *(table.column(name).to_pylist() for name in columns), strict=True
            ):
                found[path, start_s, end_s] = _fingerprint(Stamp(size, mtime_ns), described)
        for key in self.failures.keys() & found.keys():  # mended by a run that was killed before it said so
            del self.failures[key]
        return found

    def remove(self, keys: set[Key]) -> None:
        """Take the rows of `keys` out of the store: their shards are written again without them."""
        if not keys:
            return
        kept: list[Shard] = []
        for shard in self._shards:
            tables = {kind: places.read_table(self.folder / shard[kind].file) for kind in KINDS}
            left = {kind: table.filter(_others(table, keys)) for kind, table in tables.items()}
            if left["clips"].num_rows == tables["clips"].num_rows:
                kept.append(shard)
            elif left["clips"].num_rows:
                kept.append(self._write(left))
        self._shards = kept
        self._save_index()
        self._clear()

    def add(self, item: Item, stamp: Stamp, result: Embedded) -> None:
        """Take in one item, whose path is absolute; a full shard is written at once."""
        assert np.isfinite(result.embeddings).all(), "the engine lets nothing else through"
        self.failures.pop(key_of(item), None)
        self._pending.append((item, stamp, result))
        self._pending_bytes += result.embeddings.nbytes
        full = len(self._pending) >= self._shard_items or self._pending_bytes >= _MAX_BYTES
        if full or time.monotonic() - self._started >= self._shard_s:
            self._flush()

    def fail(self, failure: Failure) -> None:
        """Take in one item that gave no rows."""
        self.failures[failure.key] = failure
        if time.monotonic() - self._started >= self._shard_s:
            self._flush()

    def flush(self) -> None:
        """Write what is pending, and all failures."""
        self._failures_next = 0.0
        self._flush()

    def _flush(self) -> None:
        self._save_failures()
        if self._pending:
            tables: dict[Kind, pa.Table] = {"clips": self._clips(), "windows": self._windows()}
            self._shards.append(self._write(tables))
            self._start_shard()  # before anything can fail: a second call must not write these rows again
            self._save_index()
        self._start_shard()

    def _save_failures(self) -> None:
        began = time.monotonic()
        if began >= self._failures_next:
            write_failures(self.folder, self.failures.values())
            self._failures_next = time.monotonic() + _FAILURES_SHARE * (time.monotonic() - began)

    def _start_shard(self) -> None:
        self._pending: list[tuple[Item, Stamp, Embedded]] = []
        self._pending_bytes, self._started = 0, time.monotonic()

    def _clips(self) -> pa.Table:
        rows = [
            (
                *_described(item),
                *(done.met[name] for name in self._columns),
                len(done.embeddings),
                stamp.bytes,
                stamp.mtime_ns,
            )
            for item, stamp, done in self._pending
        ]
        return self._table("clips", rows, np.stack([done.clip for _, _, done in self._pending]))

    def _windows(self) -> pa.Table:
        rows = [
            (*_described(item), start_s, end_s)
            for item, _, done in self._pending
            for start_s, end_s in zip(done.start_s.tolist(), done.end_s.tolist(), strict=True)
        ]
        first, *more = (done.embeddings for _, _, done in self._pending)
        return self._table("windows", rows, np.concatenate([first, *more]) if more else first)

    def _table(self, kind: Kind, rows: Sequence[Sequence[object]], embeddings: Array) -> pa.Table:
        *fields, _ = wanted = schema(kind, self._dim, self._columns)
        # A time that is NaN is none, and becomes null.
        columns = [
            pa.array(column, field.type, from_pandas=True)
            for column, field in zip(zip(*rows, strict=True), fields, strict=True)
        ]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.reshape(-1)), self._dim)
        return pa.Table.from_arrays([*columns, lists], schema=wanted)

    def _write(self, tables: dict[Kind, pa.Table]) -> Shard:
        """Write one shard under a number that none has had."""
        number, self._next_number = self._next_number, self._next_number + 1
        return write_shard(self.folder, number, tables)

    def _save_index(self) -> None:
        """Name the shards that count."""
        about = {
            **self._about(),
            "parameters": self._parameters,
            "embedding_dim": self._dim,
            "columns": dict(self._columns),
        }
        checked = worst(self._checked_before, about.pop("precision_check", None))
        write_index(self.folder, about if checked is None else {**about, "precision_check": checked}, self._shards)

    def _clear(self) -> None:
        """Remove the files of shards that do not count, and what a killed run left half-written."""
        named = {part.file for shard in self._shards for part in shard.values()}
        for name in places.names(self.folder):
            is_shard = name.startswith(tuple(f"{kind}-" for kind in KINDS)) and name.endswith(".parquet")
            if (is_shard or (name.startswith(".") and name.endswith(files.PART_SUFFIX))) and name not in named:
                places.remove(self.folder / name)


def fingerprint(item: Item, stamp: Stamp) -> int:
    """A number that is another one when the file, its labels or anything else that is kept of an item is."""
    return _fingerprint(stamp, [item.id, item.labels, item.split, item.fold, item.group])


def _fingerprint(stamp: Stamp, described: Sequence[Any]) -> int:
    name, labels, *rest = described
    return hash((stamp, name, tuple(labels), *rest))


def _described(item: Item) -> tuple[object, ...]:
    """What the store keeps of an item: all but its text and events, which are for training and evaluation."""
    return item[: Item._fields.index("text")]


def _others(table: pa.Table, keys: set[Key]) -> pa.Array:
    """A mask of the rows whose key is not in `keys`."""
    rows = zip(*(table.column(name).to_pylist() for name in _KEY_COLUMNS), strict=True)
    return pa.array([row not in keys for row in rows], pa.bool_())

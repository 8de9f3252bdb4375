"""What one run was asked for: which of it is to be done, and each item when its turn comes.

A table of a million names stays a table: nothing is made of an item before its turn but a number and, where it is to
be done, its stamp.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audiossl.data.items import Item, Items
from audiossl.embedding.jobs import Job
from audiossl.embedding.ledger import Failure, Key, Stamp, stamp_of
from audiossl.embedding.shares import Share
from audiossl.embedding.writer import fingerprint
from audiossl.places.listing import states
from audiossl.places.urls import absolute, path_of, url_of

_AT_ONCE = 4096
"""Rows of the table as Python values."""
_KEPT = ["id", "path", "start_s", "end_s", "labels", "split", "fold", "group"]


class Asked:
    """The items of `items`, or those of one share of them, by their number.

    A path becomes absolute, and a URL loses its secrets, in what is told of an item; a job has the URL as it was given.
    """

    def __init__(self, items: Items, share: Share | None = None) -> None:
        self._root = items.root
        self._table = items.table.combine_chunks()
        if share is not None:
            self._table = self._table.filter(pa.array([share.holds(key) for key in self.item_keys()], pa.bool_()))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def item(self, number: int) -> Item:
        """The item as a store knows it: without text and events, which are for training and evaluation."""
        row = {name: self._table.column(name)[number].as_py() for name in _KEPT}
        return Item(**{**row, "path": absolute(self._named(row["path"]))})

    def item_keys(self) -> Iterator[Key]:
        """The keys of all items, in order."""
        for row in self._rows(["path", "start_s", "end_s"], range(len(self))):
            yield absolute(self._named(row[0])), row[1], row[2]

    def jobs(self, numbers: Sequence[int]) -> Iterator[Job]:
        """The jobs of these items, one by one."""
        rows = self._rows(["path", "start_s", "end_s"], numbers)
        for number, (path, start_s, end_s) in zip(numbers, rows, strict=True):
            name = self._named(path)
            yield Job(number, url_of(name) or path_of(name), start_s, end_s)

    def todo(
        self, done: Mapping[Key, int], failures: Mapping[Key, Failure], retry_failed: bool
    ) -> tuple[dict[int, Stamp], set[Key]]:
        """The numbers of what is to be embedded, with stamps; and the keys whose rows in the store are out of date.

        What is in the store and cannot be asked for now, because its server is silent, counts as unchanged.

        Args:
            done: the fingerprint of everything in the store.
            failures: what failed before.
            retry_failed: do what failed again, changed or not.
        """
        elsewhere = states(url for name in self._urls() if (url := url_of(name)))
        todo: dict[int, Stamp] = {}
        stale: set[Key] = set()
        for number, row in enumerate(self._rows(_KEPT, range(len(self)))):
            name = self._named(row[1])
            key: Key = (absolute(name), row[2], row[3])
            url = url_of(name)
            known, failure = done.get(key), failures.get(key)
            if url and url not in elsewhere:
                if known is None:
                    todo[number] = Stamp(None, None)
                continue
            stamp = Stamp(*elsewhere[url]) if url else stamp_of(path_of(name))
            if known is not None and known == fingerprint(Item(*row), stamp):
                continue
            if failure and failure.stamp == stamp and not retry_failed:
                continue
            if known is not None:
                stale.add(key)
            todo[number] = stamp
        return todo, stale

    def _named(self, path: str) -> str:
        """A path of the table with its root."""
        return path if "://" in path else str(self._root / path)

    def _urls(self) -> Collection[str]:
        column = self._table.column("path")
        urls: list[str] = column.filter(pc.match_substring(column, "://")).unique().to_pylist()
        return urls

    def _rows(self, columns: Sequence[str], numbers: Sequence[int] | range) -> Iterator[tuple[Any, ...]]:
        table = self._table.select(columns)
        for start in range(0, len(numbers), _AT_ONCE):
            part = table.take(pa.array(np.asarray(numbers[start : start + _AT_ONCE], np.int64)))
            yield from zip(*(column.to_pylist() for column in part.columns), strict=True)

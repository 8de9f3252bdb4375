"""What is known of an item from one run to the next: its key, its stamp, and the list of those that failed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl.data.items import Item
from audiossl.errors import DataError
from audiossl.places import folder as places
from audiossl.places.folder import Place

FAILURES = "failures.csv"
_COLUMNS = ("path", "offset_s", "cause", "item_start_s", "item_end_s", "bytes", "mtime_ns")

Key = tuple[str, float | None, float | None]
"""Absolute path, start and end in seconds (None: the whole file): what an item is called in a store."""


def key_of(item: Item) -> Key:
    """The key of an item whose path is absolute."""
    return item.path, item.start_s, item.end_s


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file was when it was read. With another stamp it is read again. None: there was no file.

    Of a URL, `mtime_ns` is a number made of the object's tag or time of change.
    """

    bytes: int | None
    mtime_ns: int | None


def stamp_of(path: str | Path) -> Stamp:
    """Size and time of change of a local file now."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path of each of a million names costs more than asking
    except (OSError, ValueError):
        return Stamp(None, None)
    return Stamp(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Failure:
    """One item that gave no embedding."""

    key: Key
    cause: str
    offset_s: float | None
    stamp: Stamp


def write_failures(folder: Place, failures: Iterable[Failure]) -> None:
    """Write `failures.csv`, sorted by path; without failures the table is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for failure in sorted(failures, key=lambda failure: (failure.key[0], failure.key[1] or 0.0)):
        (path, start_s, end_s), stamp = failure.key, failure.stamp
        writer.writerow([path, failure.offset_s, failure.cause, start_s, end_s, stamp.bytes, stamp.mtime_ns])
    places.write_bytes(folder / FAILURES, text.getvalue().encode())


def read_failures(folder: Place) -> dict[Key, Failure]:
    """The failures of earlier runs (raises `DataError`: the table is damaged)."""
    path = folder / FAILURES
    try:
        text = io.StringIO(path.read_bytes().decode(), newline="")
        failures = [_failure([row[column] for column in _COLUMNS]) for row in csv.DictReader(text)]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(f"{path}: is damaged ({error}); delete it, and its files are tried again") from error
    return {failure.key: failure for failure in failures}


def _failure(row: Sequence[str]) -> Failure:
    path, offset_s, cause, start_s, end_s, size, mtime_ns = row
    stamp = Stamp(int(size) if size else None, int(mtime_ns) if mtime_ns else None)
    return Failure((path, _number(start_s), _number(end_s)), cause, _number(offset_s), stamp)


def _number(text: str) -> float | None:
    return float(text) if text else None

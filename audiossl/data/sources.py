"""From a manifest's source to rows: records of text with the line each stands on, then `Item`s.

Every fault of a row is a `Problem` with its place; reading goes on, so that all of them can be told at once.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from audiossl.data.items import Item
from audiossl.data.manifest_schema import ColumnOf, CsvSource, Fields, FolderSource, RegexSource, Source, SynthSource
from audiossl.data.walk import Presence, find_sounds
from audiossl.errors import DataError

SYNTH_TABLE = "metadata.csv"
"""The table that `audio.synth.make_sounds` writes last, so that it is there only when all sounds are."""

LABELS = "labels"
"""In the template of a text, the row's labels."""

_PLACE = re.compile(r"\{(\w+)\}")


class Record(NamedTuple):
    """Text by column name, and where it stands, e.g. `metadata.csv line 17`."""

    where: str
    values: dict[str, str]


class Row(NamedTuple):
    """A good row, and where it stands."""

    where: str
    item: Item


@dataclass(frozen=True)
class Problem:
    """A fault of one row. `kind` "missing": the file is not there."""

    kind: Literal["missing", "row", "duplicate"]
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class RowFault(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with one row."""


def rows(
    source: Source, root: Path, splits: Collection[str] = (), *, given: Path | None = None
) -> Iterator[Row | Problem]:
    """The rows of one source under `root`, and the faults in their places.

    Args:
        source: what the manifest says.
        root: the folder that paths are relative to.
        splits: the splits that rows may have.
        given: the table or the folder to read, where it is not the one that the source names under `root`.

    Raises:
        DataError: the source as a whole cannot be read.
    """
    presence = Presence(root)
    for where, values in records(source, root, given):
        if any(values[column] != wanted for column, wanted in (source.only or {}).items()):
            continue
        try:
            item = _item(values, source, splits)
        except RowFault as fault:
            yield Problem("row", where, str(fault))
            continue
        if isinstance(source, CsvSource | SynthSource) and (absent := presence.fault(item.path)):
            yield Problem("missing" if absent.startswith("not found") else "row", where, f"`{item.path}` {absent}")
        else:
            yield Row(where, item)


def records(source: Source, root: Path, given: Path | None = None) -> Iterator[Record]:
    """The records of a source (raises `DataError`)."""
    match source:
        case CsvSource():
            for where, values in read_csv(given or root / source.file, source.delimiter, _wanted(source)):
                yield Record(where, {**values, "path": _fill(source.path, values)})
        case FolderSource():
            for path in find_sounds(given or root / source.folder):
                name = path.relative_to(root)
                values = {"path": name.as_posix(), "name": name.name, "stem": name.stem, "parent": name.parent.name}
                yield Record(name.as_posix(), values)
        case RegexSource():
            for path in find_sounds(root):
                name = path.relative_to(root)
                if match := re.fullmatch(source.regex, name.as_posix()):
                    yield Record(name.as_posix(), {**match.groupdict(""), "path": name.as_posix()})
        case SynthSource():
            for where, values in read_csv(root / SYNTH_TABLE, ",", {"file_name", "label", "fold", "group"}):
                yield Record(where, {**values, "path": values["file_name"]})


def read_csv(path: Path, delimiter: str, needed: set[str]) -> Iterator[Record]:
    """The rows of a CSV with a header, as UTF-8 with or without a byte-order mark.

    Raises:
        DataError: it cannot be read, is not UTF-8, or lacks a column, each with the line.
    """
    start = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header, needed)
            start = reader.line_num + 1
            for row in reader:
                where, start = f"{path.name} line {start}", reader.line_num + 1
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(f"{where}: has {len(row)} fields where the header has {len(header)}")
                yield Record(where, dict(zip(header, row, strict=True)))
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} line {start}: is not UTF-8 text; save the file as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path.name} line {start}: is not CSV ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _item(values: dict[str, str], fields: Fields, splits: Collection[str]) -> Item:
    """One row of the table from a record that has its `path` (raises `RowFault`)."""
    path = values["path"]
    if path.startswith("./") or "/./" in path or "//" in path:  # the same file under one name; rare, and slow to ask
        path = PurePosixPath(path).as_posix()
    if not path:
        raise RowFault("names no file")
    start_s, end_s = _seconds(values, fields.start_s), _seconds(values, fields.end_s)
    if end_s is not None and end_s <= (start_s or 0.0):
        raise RowFault(f"ends at {end_s:g} s, which is not after its start at {start_s or 0.0:g} s")
    times = "" if start_s is None and end_s is None else f"@{start_s or 0.0:g}-{'' if end_s is None else f'{end_s:g}'}"
    labels = _labels(values, fields)
    return Item(
        id=_fill(fields.id, values) if fields.id else path + times,
        path=path,
        start_s=start_s,
        end_s=end_s,
        labels=labels,
        split=_split(values, fields, splits),
        fold=_fold(values, fields),
        group=_value(values, fields.group) or None,
        text=_text(values, labels, fields) or None,
    )


def _labels(values: dict[str, str], fields: Fields) -> list[str]:
    if fields.labels is None:
        return []
    text = values[fields.labels.column]
    parts = re.split(f"[{re.escape(fields.labels.sep)}]", text) if fields.labels.sep else [text]
    labels = [_mapped(part.strip(), fields.labels) for part in parts if part.strip()]
    if not labels and isinstance(fields, FolderSource):
        raise RowFault("is in no subfolder, whose name would be its label; move it into one")
    if not labels:
        raise RowFault(f"has no label in column {fields.labels.column}; write one, or leave the whole column out")
    return labels


def _text(values: dict[str, str], labels: list[str], fields: Fields) -> str:
    """One line, without space around it; empty where the record says nothing."""
    if fields.text is None:
        return ""
    words = _fill(fields.text.template, {**values, LABELS: ", ".join(labels)})
    return " ".join(words.translate({ord(mark): " " for mark in fields.text.spaces}).split())


def _split(values: dict[str, str], fields: Fields, splits: Collection[str]) -> str | None:
    if isinstance(fields.split, str):
        return fields.split
    text = "" if fields.split is None else values[fields.split.column].strip()
    known = {name: name for name in splits} | ((fields.split and fields.split.map) or {})
    if text and text not in known:
        near = get_close_matches(text, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"write one of: {', '.join(known)}"
        raise RowFault(f"unknown split {text}; {hint}")
    return known[text] if text else None


def _fold(values: dict[str, str], fields: Fields) -> int | None:
    text = _value(values, fields.fold)
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise RowFault(f"fold {text} is not a whole number")
    return int(text)


def _seconds(values: dict[str, str], column: ColumnOf | None) -> float | None:
    text = _value(values, column)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise RowFault(f"{text} is not a time in seconds")
    return seconds


def _value(values: dict[str, str], column: ColumnOf | None) -> str:
    return "" if column is None else _mapped(values[column.column].strip(), column)


def _mapped(text: str, column: ColumnOf) -> str:
    if column.map is None or not text:
        return text
    if text not in column.map:
        raise RowFault(f"{column.column} is {text}; the manifest knows {', '.join(column.map)}")
    return column.map[text]


def _fill(template: str, values: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], template)


def _wanted(source: CsvSource) -> set[str]:
    """The columns that a CSV source needs."""
    columns = set(_PLACE.findall(source.path)) | set(_PLACE.findall(source.id or "")) | set(source.only or {})
    if source.text:
        columns |= set(_PLACE.findall(source.text.template)) - {LABELS}
    given = (source.labels, source.split, source.fold, source.group, source.start_s, source.end_s)
    return columns | {field.column for field in given if isinstance(field, ColumnOf)}


def _check_header(path: Path, header: list[str], needed: set[str]) -> None:
    if not any(header):
        raise DataError(f"{path.name} line 1: is empty; a header such as `path,label` is needed")
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path.name} line 1: has the column {name} twice")
    if missing := sorted(needed - set(header)):
        raise DataError(f"{path.name} line 1: has no column {missing[0]}; it has {', '.join(header)}")

"""The side files of a source, each read once: lists of splits, tables to join, vocabularies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from audiossl.data.records import PLACE, read_csv, read_json
from audiossl.data.source_schema import Fields, Joined, LabelsOf, Lists, Vocabulary
from audiossl.errors import DataError


class RowFault(Exception):  # noqa: N818 - never leaves the making of rows
    """What is wrong with one row."""


class Entry(NamedTuple):
    """A line of a list: the value of its records (None: they are left out), and where it stands."""

    value: str | None
    where: str


def fill(template: str, values: dict[str, str]) -> str:
    """`template` with the record's columns in their places (raises `RowFault`)."""
    return PLACE.sub(lambda place: column(values, place[1]), template)


def column(values: dict[str, str], name: str) -> str:
    """A column of a record (raises `RowFault`)."""
    if name not in values:
        raise RowFault(f"has no {name}; it has {', '.join(values)}")
    return values[name]


def part_of(text: str, part: str | None) -> str:
    """What the one group of the expression `part` finds in `text` (raises `RowFault`)."""
    if part is None:
        return text
    match = re.fullmatch(part, text)
    if match is None:
        raise RowFault(f"`{text}` is not of the form {part}")
    return match[1]


class Members:
    """Which of some lists names a record; entries that no record asked for are remembered."""

    def __init__(self, field: Lists, root: Path, beside: Path | None) -> None:
        self._field = field
        self._entries: dict[str, Entry] = {}
        files: list[tuple[str | None, str]] = [*field.lists.items()]
        for value, name in files + ([(None, field.leave_out)] if field.leave_out else []):
            path = root / name
            if not path.is_file() and beside is not None:
                path = beside / name
            for number, line in islice(_lines(path), int(field.header), None):
                where = f"{path.name} line {number}"
                try:
                    key = part_of(line.split("\t")[0].strip(), field.part)
                except RowFault as fault:
                    raise DataError(f"{where}: {fault}") from fault
                first = self._entries.setdefault(key, Entry(value, where))
                if first.value != value:
                    raise DataError(f"{where}: `{key}` is also in {first.where}; one of the two lists is wrong")
        self._left = set(self._entries)

    def of(self, values: dict[str, str]) -> str | None:
        """The value of a record, or None where it is to be left out (raises `RowFault`)."""
        key = fill(self._field.key, values)
        self._left.discard(key)
        return self._entries[key].value if key in self._entries else self._field.otherwise

    def unasked(self) -> Iterator[tuple[str, str]]:
        """Name and place of every entry whose record never came."""
        for key, entry in self._entries.items():
            if key in self._left and entry.value is not None:
                yield key, entry.where


class Lookups:
    """The side files of one source.

    Args:
        fields: of the source.
        root: the data set's folder.
        beside: the manifest's folder, where lists that the data set does not bring may lie.
    """

    def __init__(self, fields: Fields, root: Path, beside: Path | None) -> None:
        self._root = root
        asked = [field for field in (fields.split, fields.fold, fields.group) if isinstance(field, Lists)]
        self._members = {id(field): Members(field, root, beside) for field in asked}
        self._tables: dict[int, dict[str, str]] = {}
        self.complete = not (fields.only or fields.exclude)
        """Whether each entry of a list must have met its record: none was left out for another reason."""

    @property
    def members(self) -> list[Members]:
        """Every group of lists of the source."""
        return list(self._members.values())

    def listed(self, field: Lists, values: dict[str, str]) -> str | None:
        """The value that lists give a record (raises `RowFault`)."""
        return self._members[id(field)].of(values)

    def joined(self, field: Joined, values: dict[str, str]) -> str:
        """What the other file says of a record (raises `RowFault`)."""
        if id(field) not in self._tables:
            self._tables[id(field)] = _table(self._root / field.file, field.key, field.field)
        wanted = column(values, field.column)
        if wanted not in self._tables[id(field)]:
            raise RowFault(f"{wanted} is not in {field.file}")
        return self._tables[id(field)][wanted]

    def label(self, text: str, field: LabelsOf) -> str:
        """The label as it is shown (raises `RowFault` for one that the vocabulary lacks)."""
        if field.vocabulary is None:
            return text
        if id(field) not in self._tables:
            self._tables[id(field)] = _names(self._root, field.vocabulary)
        known = self._tables[id(field)]
        if text not in known:
            near = get_close_matches(text, known, n=1)
            few = f"write one of: {', '.join(known)}" if len(known) <= 12 else "correct it"
            hint = f"did you mean {near[0]}?" if near else few
            file = field.vocabulary.file if isinstance(field.vocabulary, Vocabulary) else "the manifest"
            raise RowFault(f"label {text} is not in the vocabulary of {file} ({len(known)} labels); {hint}")
        return known[text]


def _names(root: Path, vocabulary: list[str] | Vocabulary) -> dict[str, str]:
    if isinstance(vocabulary, list):
        return {name: name for name in vocabulary}
    key, name = vocabulary.key, vocabulary.name or vocabulary.key
    rows = read_csv(root / vocabulary.file, ",", {key, name}, columns=vocabulary.columns)
    return {values[key]: values[name] for _, values in rows}


def _table(path: Path, key: str, field: str) -> dict[str, str]:
    if path.suffix == ".json":
        return {values["key"]: values[field] for _, values in read_json(path, lines=False) if field in values}
    delimiter = "\t" if path.suffix == ".tsv" else ","
    return {values[key]: values[field] for _, values in read_csv(path, delimiter, {key, field})}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line

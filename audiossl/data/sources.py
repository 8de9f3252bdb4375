"""From a manifest's source to rows: `Item`s made of records.

Every fault of a row is a `Problem` with its place; reading goes on, so that all of them can be told at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from audiossl.data.fields import make_event, make_item, plain
from audiossl.data.items import Event, Item
from audiossl.data.lookups import Lookups, RowFault, column, fill
from audiossl.data.records import Record, annotation_files, read_csv, records
from audiossl.data.source_schema import AnnotationSource, Fields, Source, SynthSource, TableSource, Windows
from audiossl.data.walk import Presence
from audiossl.errors import MediaError
from audiossl.modality import MODALITIES, Kind


class Row(NamedTuple):
    """A row, where it stands, and whether its file is there (it may be missing in a copy known to be partial)."""

    where: str
    item: Item
    there: bool = True


@dataclass(frozen=True)
class Problem:
    """A fault of one row. `kind` "missing": the file is not there."""

    kind: Literal["missing", "row", "duplicate"]
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def rows(
    source: Source,
    root: Path,
    splits: Collection[str] = (),
    *,
    modality: Kind = "audio",
    beside: Path | None = None,
    given: Path | None = None,
) -> Iterator[Row | Problem]:
    """The rows of one source under `root`, and the faults in their places.

    Args:
        source: what the manifest says.
        root: the folder that paths are relative to.
        splits: the splits that rows may have.
        modality: which files are looked for.
        beside: the manifest's folder, where lists that the data set does not bring may lie.
        given: the table or the folder to read, where it is not the one that the source names under `root`.

    Raises:
        DataError: the source as a whole cannot be read.
    """
    making = _Making(source, root, splits, beside, modality)
    if isinstance(source, AnnotationSource):
        yield from _examples_of_events(source, making)
    else:
        for record in records(source, root, modality, given):
            yield from making.rows(record)
    yield from making.unasked()


class _Making:
    """Makes rows of the records of one source."""

    def __init__(
        self, source: Source, root: Path, splits: Collection[str], beside: Path | None, modality: Kind
    ) -> None:
        self.source, self.root, self.splits, self.modality = source, root, splits, modality
        self.lookups = Lookups(source, root, beside)
        self.presence = Presence(root)

    def rows(self, record: Record, events: Sequence[Event] | None = None) -> Iterator[Row | Problem]:
        """The row of a record, one for each of its windows, its fault, or nothing where it is left out."""
        where, values = record
        try:
            if any(members.of(values) is None for members in self.lookups.members) or not _kept(values, self.source):
                return
            values, missing = self._placed(values)
            item = make_item(values, self.source, self.splits, self.lookups, events)
        except RowFault as fault:
            yield Problem("row", where, str(fault))
            return
        if missing and isinstance(self.source, TableSource) and self.source.missing == "skip_and_record":
            yield Row(where, item, there=False)
        elif missing:
            yield Problem("missing", where, f"`{item.path}` {missing}")
        elif self.source.windows is None:
            yield Row(where, item)
        else:
            yield from self._windows(where, item, self.source.windows)

    def unasked(self) -> Iterator[Problem]:
        """Entries of lists whose record never came."""
        for members in self.lookups.members if self.lookups.complete else ():
            for key, where in members.unasked():
                yield Problem("missing", where, f"`{key}` not found; no file of that name is among the rows")

    def _placed(self, values: dict[str, str]) -> tuple[dict[str, str], str | None]:
        """The record with its `path`, and what the words are for a file that is not there (raises `RowFault`)."""
        source = self.source
        if not isinstance(source, TableSource | SynthSource):
            return values, None
        templates: list[str] = ["{path}"]
        suffixes: tuple[str, ...] = ("",)
        if isinstance(source, TableSource):
            templates, suffixes = [source.path] if isinstance(source.path, str) else source.path, source.suffixes
        first = None
        for template in templates:
            stem = plain(fill(template, values))
            for suffix in suffixes:
                path = stem + suffix
                first = first or path
                fault = self.presence.fault(path, hint=False)
                if fault is None:
                    return {**values, "path": path}, None
                if not fault.startswith("not found"):
                    raise RowFault(f"`{path}` {fault}")
        assert first is not None
        hint = not (isinstance(source, TableSource) and source.missing == "skip_and_record")
        return {**values, "path": first}, self.presence.fault(first, hint=hint)

    def _windows(self, where: str, item: Item, windows: Windows) -> Iterator[Row | Problem]:
        try:
            duration_s = MODALITIES[self.modality].duration_s(self.root / item.path)
        except MediaError as error:
            yield Problem("row", where, f"cannot be cut into windows: {error.cause}")
            return
        for number in range(1 + math.floor((duration_s - windows.length_s) / windows.hop_s + 1e-9)):
            start_s = number * windows.hop_s
            end_s = start_s + windows.length_s
            yield Row(where, item._replace(id=f"{item.id}@{start_s:g}-{end_s:g}", start_s=start_s, end_s=end_s))


def _examples_of_events(source: AnnotationSource, making: _Making) -> Iterator[Row | Problem]:
    """One row for all records that name one file; of many files one for each, and without a line it has no events."""
    many = "*" in source.file
    template = source.path if isinstance(source.path, str) else source.path[0]
    for path in annotation_files(source, making.root):
        whole = {"stem": path.stem, "parent": path.parent.name}
        name = path.relative_to(making.root).as_posix()
        examples: dict[str, tuple[Record, list[Event]]] = {"": (Record(name, whole), [])} if many else {}
        for where, values in read_csv(path, source.delimiter, columns=source.columns):
            try:
                key = "" if many else fill(template, values)
                event = make_event(values, source, making.lookups)
            except RowFault as fault:
                yield Problem("row", where, str(fault))
                continue
            examples.setdefault(key, (Record(where, values), []))[1].append(event)
        for record, events in examples.values():
            yield from making.rows(record, sorted(events))


def _kept(values: dict[str, str], fields: Fields) -> bool:
    """Whether a record is among those that the manifest wants (raises `RowFault`)."""
    for name, wanted in (fields.only or {}).items():
        if column(values, name) not in ([wanted] if isinstance(wanted, str) else wanted):
            return False
    return not any(fill(one.of, values) in one.values for one in fields.exclude)

"""From a manifest's source to records: text by column name, with the line each stands on."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from audiossl.data.source_schema import (
    AnnotationSource,
    ClosedSource,
    ColumnOf,
    CsvSource,
    FolderSource,
    Joined,
    JsonSource,
    Lists,
    PackedSource,
    RegexSource,
    SynthSource,
)
from audiossl.data.walk import find_files, find_names
from audiossl.errors import DataError
from audiossl.modality import Kind
from audiossl.synth import TABLE, Row

LABELS = "labels"
"""In the template of a text, the row's labels."""

PLACE = re.compile(r"\{(\w+)\}")


PICTURES = "pictures"
"""The folder that packed pictures are written to."""


Listed = CsvSource | JsonSource | FolderSource | RegexSource | SynthSource | PackedSource | ClosedSource
"""Sources with a record for each row; those of annotations have several."""


class Record(NamedTuple):
    """Text by column name, and where it stands, e.g. `metadata.csv line 17`."""

    where: str
    values: dict[str, str]


def records(source: Listed, root: Path, modality: Kind, given: Path | None = None) -> Iterator[Record]:
    """The records of a source (raises `DataError`).

    Args:
        source: what the manifest says.
        root: the folder that paths are relative to.
        modality: which files are looked for.
        given: the table or the folder to read, where it is not the one that the source names under `root`.
    """
    match source:
        case CsvSource():
            yield from _of_table(given or root / source.file, source)
        case JsonSource():
            yield from read_json(given or root / source.file, lines=source.kind == "jsonl")
        case FolderSource():
            for path in find_files(given or root / source.folder, modality):
                name = path.relative_to(root)
                values = {"path": name.as_posix(), "name": name.name, "stem": name.stem, "parent": name.parent.name}
                yield Record(name.as_posix(), values)
        case RegexSource():
            for path in find_files(root, modality):
                name = path.relative_to(root)
                if match := re.fullmatch(source.regex, name.as_posix()):
                    yield Record(name.as_posix(), {**match.groupdict(""), "path": name.as_posix()})
        case SynthSource():
            for where, values in read_csv(root / TABLE, ",", set(Row._fields)):
                yield Record(where, {**values, "path": values["file_name"]})
        case PackedSource():
            pictures = _unpacked(source, root)
            for below in find_names(pictures, modality):
                part, label, _ = below.split("/")
                place = (pictures / below).relative_to(root).as_posix()
                yield Record(place, {"path": place, "part": part, "label": label})
        case ClosedSource():
            raise DataError(f"{root}: {source.why}")


def annotation_files(source: AnnotationSource, root: Path) -> list[Path]:
    """The files of annotations, sorted (raises `DataError` where there is none)."""
    if "*" not in source.file:
        return [root / source.file]
    if not (found := sorted(root.glob(source.file))):
        raise DataError(f"{root}: holds no `{source.file}`, the annotations; unpack the whole set there")
    return found


def read_csv(
    path: Path,
    delimiter: str,
    needed: set[str] | frozenset[str] = frozenset(),
    *,
    columns: Sequence[str] | Sequence[Sequence[str]] | None = None,
    comment: str | None = None,
    trim: bool = False,
) -> Iterator[Record]:
    """The rows of a table, as UTF-8 with or without a byte-order mark.

    Args:
        path: of the table.
        delimiter: between columns.
        needed: columns that must be there.
        columns: their names where the table has no header; of several lists the one as long as the row.
        comment: lines that begin so are left out.
        trim: spaces after a delimiter do not count.

    Raises:
        DataError: it cannot be read, is not UTF-8, or lacks a column, each with the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(file, comment)
            reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=trim)
            try:
                yield from _rows(path, lines, reader, needed, _layouts(columns))
            except UnicodeDecodeError as error:
                raise DataError(f"{path.name} line {lines.here}: is not UTF-8 text; save the file as UTF-8") from error
            except csv.Error as error:
                raise DataError(f"{path.name} line {lines.here}: is not CSV ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_json(path: Path, *, lines: bool) -> Iterator[Record]:
    """The objects of a file, one a line, or the members of its one object, whose names are the column `key`.

    Values of an object that are neither text nor number are left out, but for lists of text, which are joined by
    commas.

    Raises:
        DataError: it cannot be read, or is not JSON objects, with the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not lines:
        for key, value in _parsed(path, text, 1).items():
            yield Record(f"{path.name}, {key}", {"key": key, **_texts(f"{path.name}, {key}", value)})
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where = f"{path.name} line {number}"
            yield Record(where, _texts(where, _parsed(path, line, number)))


def columns_of(source: CsvSource) -> set[str]:
    """The columns that the table of a source needs."""
    templates = [*([source.path] if isinstance(source.path, str) else source.path), source.id or ""]
    templates += [source.text.template if source.text else "", *(one.of for one in source.exclude)]
    columns = set(source.only or {})
    for field in (source.labels, source.split, source.fold, source.group, source.start_s, source.end_s):
        match field:
            case str():
                templates.append(field)
            case Lists():
                templates.append(field.key)
            case ColumnOf() | Joined():
                columns.add(field.column)
    return columns | {name for template in templates for name in PLACE.findall(template)} - {LABELS, "path"}


def check_header(path: Path, header: Sequence[str], needed: set[str] | frozenset[str]) -> None:
    """Refuse an empty header, a column that is there twice, and one that is missing (raises `DataError`)."""
    if not any(header):
        raise DataError(f"{path.name} line 1: is empty; a header such as `path,label` is needed")
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path.name} line 1: has the column {name} twice")
    if missing := sorted(needed - set(header)):
        raise DataError(f"{path.name} line 1: has no column {missing[0]}; it has {', '.join(header)}")


class _Lines:
    """The lines of a table without its comments, which also counts them."""

    def __init__(self, file: Iterator[str], comment: str | None) -> None:
        self._file, self._comment = file, comment
        self._number = self._first = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while True:
            line = next(self._file)
            self._number += 1
            if not (self._comment and line.startswith(self._comment)):
                self._first = self._first or self._number
                return line

    @property
    def here(self) -> int:
        """The number of the first line since `row_ends`."""
        return self._first or self._number + 1

    def row_ends(self) -> None:
        """The next line is the first of a row."""
        self._first = 0


def _rows(
    path: Path,
    lines: _Lines,
    reader: Iterator[list[str]],
    needed: set[str] | frozenset[str],
    layouts: list[list[str]],
) -> Iterator[Record]:
    named = bool(layouts)
    if not named:
        layouts = [[name.strip() for name in next(reader, [])]]
        check_header(path, layouts[0], needed)
        lines.row_ends()
    for row in reader:
        where = f"{path.name} line {lines.here}"
        lines.row_ends()
        if not row:
            continue
        layout = next((names for names in layouts if len(names) == len(row)), None)
        if layout is None:
            wanted = " or ".join(str(len(names)) for names in layouts)
            said = f"where the manifest names {wanted}" if named else f"where the header has {wanted}"
            raise DataError(f"{where}: has {len(row)} fields {said}")
        yield Record(where, dict(zip(layout, row, strict=True)))


def _unpacked(source: PackedSource, root: Path) -> Path:
    """The folder of pictures, which are written when they are not there yet."""
    from audiossl.image.packed import unpack

    packed = root / source.folder
    if not (packed / PICTURES).is_dir():
        parts = {part: [packed / name for name in names] for part, names in source.parts.items()}
        unpack(parts, packed / source.names, source.side, packed / PICTURES)
    return packed / PICTURES


def _of_table(path: Path, source: CsvSource) -> Iterator[Record]:
    needed = columns_of(source)
    for layout in _layouts(source.columns):
        if unknown := sorted(needed - set(layout)):
            raise DataError(f"{path.name}: the manifest names no column {unknown[0]}; it has {', '.join(layout)}")
    yield from read_csv(
        path, source.delimiter, needed, columns=source.columns, comment=source.comment, trim=source.trim
    )


def _layouts(columns: Sequence[str] | Sequence[Sequence[str]] | None) -> list[list[str]]:
    if not columns:
        return []
    if isinstance(columns[0], str):
        return [[str(name) for name in columns]]
    return [list(names) for names in columns]


def _parsed(path: Path, text: str, line: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name} line {line + error.lineno - 1}: is not JSON ({error.msg})") from error
    except RecursionError as error:
        raise DataError(f"{path.name} line {line}: is nested too deeply to be a table") from error
    if not isinstance(value, dict):
        raise DataError(f"{path.name} line {line}: is not a JSON object; one with the columns as names is needed")
    return value


def _texts(where: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: is not a JSON object; one with the columns as names is needed")
    texts = {}
    for name, one in value.items():
        if isinstance(one, str | int | float):
            texts[name] = str(one)
        elif isinstance(one, list) and all(isinstance(part, str) for part in one):
            texts[name] = ",".join(one)
    return texts

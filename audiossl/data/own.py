"""Manifests for what a user brings without one: a table, whose columns are known by their names, or a folder."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from audiossl.data.manifest_schema import Manifest
from audiossl.errors import DataError
from audiossl.modality import Kind

_PATH_COLUMNS = ("path", "file", "filename", "file_name")
_SPLIT_WORDS = {"training": "train", "val": "valid", "validation": "valid", "testing": "test"}


def own_table(path: Path) -> Manifest:
    """A manifest for a user's own CSV, by the names of its columns."""
    header, delimiter = table_header(path)
    column = next((name for name in _PATH_COLUMNS if name in header), None)
    if column is None:
        raise DataError(
            f"{path.name} line 1: has no column path; name the files in a column {', '.join(_PATH_COLUMNS)}"
        )
    fields: dict[str, Any] = {"from": "csv", "file": "table.csv", "path": f"{{{column}}}", "delimiter": delimiter}
    if "id" in header:
        fields["id"] = "{id}"
    if "label" in header:
        fields["labels"] = {"column": "label"}
    elif "labels" in header:
        fields["labels"] = {"column": "labels", "sep": ",;|"}
    if "split" in header:
        fields["split"] = {"column": "split", "map": _SPLIT_WORDS}
    if "text" in header:
        fields["text"] = {"template": "{text}"}
    fields |= {name: {"column": name} for name in ("fold", "group", "start_s", "end_s") if name in header}
    return own_manifest(path.stem, fields)


def own_manifest(name: str, source: dict[str, Any], modality: Kind = "audio") -> Manifest:
    """A manifest of one source and no more."""
    described = {"schema": "audiossl/manifest@1", "name": name, "version": "1", "license": {"dataset": "unknown"}}
    return Manifest.model_validate({**described, "modality": modality, "items": [source]})


def table_header(path: Path) -> tuple[list[str], str]:
    """The first line of a table and what separates its columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(100_000)
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise DataError(f"{path}: cannot be read ({reason})") from error
    delimiter = next((mark for mark in ("\t", ";") if mark in line and "," not in line), ",")
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter

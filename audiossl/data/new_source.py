"""How the rows of a user's own folder or table are made, guessed from the names of folders and columns."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiossl.data.own import table_header
from audiossl.data.records import read_csv
from audiossl.data.walk import SUFFIXES, find_names, modality_of_names, modality_there
from audiossl.errors import DataError
from audiossl.modality import Kind

SPLIT_WORDS = {
    word: part
    for part, words in {
        "train": ("train", "training", "dev", "development"),
        "valid": ("valid", "val", "validation"),
        "test": ("test", "testing", "eval", "evaluation"),
    }.items()
    for word in words
}
"""What people call the parts of a data set."""

_COLUMNS = {
    "path": (
        "path",
        "file",
        "filename",
        "file_name",
        "fname",
        "slice_file_name",
        "audio",
        "audio_path",
        "wav",
        "clip",
        "image",
    ),
    "labels": ("label", "category", "class", "class_name", "species", "event", "emotion", "genre", "word", "target"),
    "several": ("labels", "tags", "classes", "events", "categories"),
    "split": ("split", "subset", "set", "partition", "part"),
    "fold": ("fold", "folds"),
    "group": (
        *("group", "group_id", "speaker", "speaker_id", "src_file", "source", "source_id", "fsid", "recording"),
        *("recording_id", "session", "site", "location", "individual", "animal", "subject", "patient", "recordist"),
        *("uploader", "artist", "author"),
    ),
    "start_s": ("start_s", "start", "onset", "begin"),
    "end_s": ("end_s", "end", "offset", "stop"),
    "text": ("text", "caption", "description"),
}
"""Which columns are known for what, the likeliest first; capitals do not matter."""

_SEPARATORS = ",;|"
_FOLD = r"fold[ _-]?(\d+)"
_LOOKED_AT = 50


def folder_source(folder: Path) -> tuple[Kind, dict[str, Any]]:
    """What a folder holds, and a source for it: parts or folds at the top, labels by the innermost folder, if any.

    Raises:
        DataError: it holds neither sounds nor pictures.
    """
    modality = modality_there(folder)
    return modality, _source_of([tuple(name.split("/")) for name in find_names(folder, modality)])


def _source_of(names: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    tops = {name[0] for name in names if len(name) > 1}
    inside = all(len(name) > 1 for name in names)
    if inside and {top.casefold() for top in tops} <= SPLIT_WORDS.keys():
        words = {top: SPLIT_WORDS[top.casefold()] for top in sorted(tops)}
        return _by_top(names, "(?P<split>[^/]+)", split={"column": "split", "map": words})
    if inside and all(re.fullmatch(_FOLD, top, re.IGNORECASE) for top in tops):
        return _by_top(names, "(?i:fold[ _-]?)(?P<fold>[0-9]+)", fold={"column": "fold"})
    labelled = inside and len({name[-2] for name in names}) > 1
    return {"from": "folder", **({"labels": {"column": "parent"}} if labelled else {})}


def _by_top(names: Sequence[tuple[str, ...]], top: str, **field: Any) -> dict[str, Any]:
    if all(len(name) > 2 for name in names):
        regex = f"{top}/(?:.+/)?(?P<label>[^/]+)/[^/]+"
        return {"from": "filename_regex", "regex": regex, "labels": {"column": "label"}, **field}
    return {"from": "filename_regex", "regex": f"{top}/.+", **field}


def table_source(table: Path) -> tuple[Path, Kind, dict[str, Any]]:
    """The folder with the files, what they are, and a source for a table, by its columns' names and what they hold.

    The files are beside the table, in a folder beside it, or, as in `meta/table.csv` and `audio/`, one folder up.

    Raises:
        DataError: it cannot be read, or has no column that names files.
    """
    header, delimiter = table_header(table)
    rows = [record.values for record in read_csv(table, delimiter)]
    known = {name.casefold(): name for name in header}
    found = {what: known[word] for what, words in _COLUMNS.items() if (word := _first(words, known))}
    if "path" not in found:
        names = ", ".join(_COLUMNS["path"])
        raise DataError(f"{table.name} line 1: has no column that names files; call it one of {names}")
    if not rows:
        raise DataError(f"{table.name}: has no row below its header; a table with at least one row is needed")

    def values(what: str) -> list[str]:
        return list(dict.fromkeys(text for row in rows if (text := row[found[what]].strip())))

    listed = [row[found["path"]] for row in rows]
    root, path = _path(table, found["path"], listed)
    source: dict[str, Any] = {
        "from": "csv",
        "file": table.resolve().relative_to(root.resolve()).as_posix(),
        "path": path,
    }
    if delimiter != ",":
        source["delimiter"] = delimiter
    if "labels" in found:
        source["labels"] = {"column": found["labels"]}
    elif "several" in found:
        source["labels"] = {"column": found["several"], "sep": _SEPARATORS}
    if "split" in found:
        source["split"] = {"column": found["split"], **_split(values("split"))}
    if "fold" in found:
        whole = all(text.isdecimal() for text in values("fold"))
        source["fold"] = {"column": found["fold"], **({} if whole else {"part": r"\D*(\d+)"})}
    for what in ("group", "start_s", "end_s"):
        if what in found:
            source[what] = {"column": found[what]}
    if "text" in found:
        source["text"] = {"template": f"{{{found['text']}}}"}
    return root, modality_of_names([*listed, path]) or "audio", source


def tables_in(folder: Path) -> list[Path]:
    """The tables in a folder and in those right below it."""
    found = (*folder.glob("*.[ct]sv"), *folder.glob("[!.]*/*.[ct]sv"))
    return sorted(path for path in found if not path.name.startswith("."))


def _first(words: Sequence[str], known: dict[str, str]) -> str | None:
    return next((word for word in words if word in known), None)


def _split(values: Sequence[str]) -> dict[str, Any]:
    """A map where the values are words for the usual parts; otherwise they are splits of their own."""
    words = {text: SPLIT_WORDS[text.casefold()] for text in values if text.casefold() in SPLIT_WORDS}
    return {"map": words} if len(words) == len(values) and any(a != b for a, b in words.items()) else {}


def _path(table: Path, column: str, names: Sequence[str]) -> tuple[Path, str]:
    """Where the files are: as the column says, or in a folder, or without its suffix; and the root of that."""
    some = [name for name in names[:: max(1, len(names) // _LOOKED_AT)] if not name.startswith(("/", ".."))]
    suffixes = ["", *(suffix for modality in SUFFIXES.values() for suffix in sorted(modality))]
    for root in (table.parent, table.parent.resolve().parent):
        inside = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
        folders = ["", *(f"{path.name}/" for path in inside[:_LOOKED_AT])]
        for folder, suffix in itertools.product(folders, suffixes):
            # Some files may be missing, which is told later; one that is there shows the place.
            if any((root / f"{folder}{name}{suffix}").is_file() for name in some):
                return root, f"{folder}{{{column}}}{suffix}"
    return table.parent, f"{{{column}}}"

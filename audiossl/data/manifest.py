"""From what a user names to a table of examples: a shipped manifest, a YAML, a CSV, a folder, or one sound file.

Promise: every path is relative to one root and inside it, every listed file is there, no row is twice, every split is
known, and a source that gives labels gives one to every row. Whatever breaks this is told with its line, all at once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audiossl import files
from audiossl.data.items import Item, Items
from audiossl.data.manifest_schema import CsvSource, Manifest, Source, SynthSource
from audiossl.data.sources import SYNTH_TABLE, Problem, Row, rows
from audiossl.errors import DataError, UsageError
from audiossl.recipe.yaml import Document, read_yaml

_TOLD = 10
"""Faults told in one message; the others are counted."""

_PATH_COLUMNS = ("path", "file", "filename", "file_name")
_SPLIT_WORDS = {"training": "train", "val": "valid", "validation": "valid", "testing": "test"}


@dataclass(frozen=True)
class Listing:
    """What a source lists: the good rows, the faults of the others, and the manifest it is."""

    items: Items
    problems: list[Problem]
    manifest: Manifest


def load_items(source: str | Path, root: Path | None = None, *, labels_from_folders: bool = False) -> Items:
    """The examples of `source`.

    Args:
        source: a shipped manifest's name (`esc50`), a manifest (`.yaml`), a table (`.csv`, `.tsv`), a folder of
            sounds, or one sound file.
        root: the folder that the paths of a manifest or table are relative to; otherwise the file's own folder.
        labels_from_folders: of a folder: each file's label is the name of the folder it is in.

    Raises:
        DataError: it is not there, holds no sound, or a row has a fault (missing file, path outside the root,
            duplicate, unknown split, no label), each with `file line N`.
        UsageError: an option that does not go with the source.
    """
    listing = list_items(source, root, labels_from_folders=labels_from_folders)
    if listing.problems:
        told = [str(problem) for problem in listing.problems[:_TOLD]]
        if len(listing.problems) > _TOLD:
            told.append(f"... and {len(listing.problems) - _TOLD:,} more; `audiossl data check` counts them")
        raise DataError("\n".join(told))
    return listing.items


def list_items(source: str | Path, root: Path | None = None, *, labels_from_folders: bool = False) -> Listing:
    """As `load_items`, with the rows' faults beside the good rows instead of raised."""
    path = Path(source)
    if str(source) in shipped_manifests():
        manifest, folder = load_manifest(str(source)), root
    elif path.suffix.lower() in (".yaml", ".yml"):
        manifest, folder = load_manifest(path), root or path.parent
    elif path.suffix.lower() in (".csv", ".tsv") and not path.is_dir():
        manifest, folder = _own_table(path), root or path.parent
        if not labels_from_folders:
            return _listing(manifest, folder, [rows(manifest.items[0], folder, manifest.splits, given=path)])
    else:
        return _own_folder(path, root, labels_from_folders)
    if labels_from_folders:
        raise UsageError(f"{source} says itself what its labels are; leave --labels-from-folders out")
    folder = _root(manifest, folder)
    return _listing(manifest, folder, (rows(part, folder, manifest.splits) for part in _sources(manifest, folder)))


def shipped_manifests() -> list[str]:
    """The names of the manifests that come with audiossl."""
    return sorted(path.stem for path in files.shipped("data_manifests").glob("*.yaml"))


def load_manifest(source: str | Path) -> Manifest:
    """A manifest by its shipped name or its path.

    Raises:
        DataError: it is not there or says something a manifest cannot; one line per fault, `file:line: what`.
    """
    path = files.shipped("data_manifests") / f"{source}.yaml" if source in shipped_manifests() else Path(source)
    document = read_yaml(path, error=DataError)
    try:
        return Manifest.model_validate(document.value)
    except ValidationError as error:
        raise DataError("\n".join(_faults(document, error))) from error


def _faults(document: Document, error: ValidationError) -> Iterable[str]:
    for detail in error.errors(include_url=False):
        path: tuple[str | int, ...] = ()
        for part in detail["loc"]:  # pydantic names the member of a union too; the file does not
            path = (*path, part) if (*path, part) in document.lines or detail["loc"][-1] == part else path
        what = detail["msg"].removeprefix("Value error, ")
        near = get_close_matches(str(path[-1]), _known_keys(), n=1) if detail["type"] == "extra_forbidden" else []
        what = "unknown key" + (f"; did you mean {near[0]}?" if near else "") if "extra" in detail["type"] else what
        yield f"{document.where(*path)}: {'.'.join(map(str, path))}: {what}"


def _known_keys() -> list[str]:
    return [*Manifest.model_fields, "schema", *CsvSource.model_fields, "from"]


def _root(manifest: Manifest, root: Path | None) -> Path:
    """The folder with the data; sounds made by ourselves are made when they are not there yet."""
    synth = next((source for source in manifest.items if isinstance(source, SynthSource)), None)
    if synth is not None:
        name = f"{manifest.name}-{manifest.version}-{synth.seed}-{synth.n}"
        root = files.cache_folder() / name if root is None else root
        if not (root / SYNTH_TABLE).is_file():
            from audiossl.audio.synth import make_sounds

            make_sounds(root, synth.n, synth.seed)
    if root is None:
        raise DataError(f"{manifest.name}: say where the files are: give --data PATH, {_wanted(manifest)}")
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; give --data PATH, {_wanted(manifest)}")
    return root


def _sources(manifest: Manifest, root: Path) -> list[Source]:
    """The sources that apply: all without `when`, and the first whose `when` is there."""
    always = [source for source in manifest.items if source.when is None]
    chosen = [source for source in manifest.items if source.when is not None and (root / source.when).exists()]
    missing = [source for source in always if isinstance(source, CsvSource) and not (root / source.file).is_file()]
    if missing or not (always or chosen):
        raise DataError(f"{root}: is not {manifest.name}; give --data PATH, {_wanted(manifest)}")
    return always + chosen[:1]


def _wanted(manifest: Manifest) -> str:
    """What the folder must hold, and where to get it."""
    marks = [source.when or (source.file if isinstance(source, CsvSource) else "") for source in manifest.items]
    held = " or ".join(f"`{mark}`" for mark in dict.fromkeys(marks) if mark) or "its sounds"
    return f"the folder that holds {held}" + (f" (from {manifest.homepage})" if manifest.homepage else "")


def _listing(manifest: Manifest, root: Path, parts: Iterable[Iterable[Row | Problem]]) -> Listing:
    """Good rows and faults of all sources; a file segment or an id that comes a second time is a fault."""
    good: list[Item] = []
    problems: list[Problem] = []
    first: dict[object, str] = {}
    for row in (row for part in parts for row in part):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        segment = (row.item.path, row.item.start_s, row.item.end_s)
        twice = {segment: f"`{row.item.path}`", row.item.id: f"the id {row.item.id}"}
        for key, what in twice.items():
            if key in first:
                what = f"{what} is there twice, first in {first[key]}; remove one"
                problems.append(Problem("duplicate", row.where, what))
                break
        else:
            first.update(dict.fromkeys(twice, row.where))
            good.append(row.item)
    if not good and not problems:
        raise DataError(f"{root}: {manifest.name} lists nothing; a table with at least one row is needed")
    items = Items.from_rows(good, root, name=manifest.name, crossing_groups=manifest.expect.crossing_groups)
    return Listing(items, problems, manifest)


def _own_folder(path: Path, root: Path | None, labelled: bool) -> Listing:
    """A folder of sounds, or one sound file; a folder with a `metadata.csv` of `file_name`s is that table."""
    if not path.exists():
        near = get_close_matches(str(path), shipped_manifests(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"give a path, or one of {', '.join(shipped_manifests())}"
        raise DataError(f"{path}: there is no such data set, file or folder; {hint}")
    if root is not None:
        raise UsageError(f"{path} is a place itself; leave --data out, which is for manifests and tables")
    table = path / "metadata.csv"
    if table.is_file() and not labelled and "file_name" in _header(table)[0]:
        return list_items(table)
    folder = path if path.is_dir() else path.parent
    fields: dict[str, Any] = {"from": "folder"}
    if labelled:
        fields["labels"] = {"column": "parent"}
    manifest = _own(path.resolve().name or "folder", fields)
    return _listing(manifest, folder, [rows(manifest.items[0], folder, given=path)])


def _own_table(path: Path) -> Manifest:
    """A manifest for a user's own CSV, by the names of its columns."""
    header, delimiter = _header(path)
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
    return _own(path.stem, fields)


def _own(name: str, source: dict[str, Any]) -> Manifest:
    described = {"schema": "audiossl/manifest@1", "name": name, "version": "1", "license": {"dataset": "unknown"}}
    return Manifest.model_validate({**described, "items": [source]})


def _header(path: Path) -> tuple[list[str], str]:
    """The first line of a table and what separates its columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(100_000)
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise DataError(f"{path}: cannot be read ({reason})") from error
    delimiter = next((mark for mark in ("\t", ";") if mark in line and "," not in line), ",")
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter

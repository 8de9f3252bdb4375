"""A manifest for a user's own folder or table: everything that can be seen filled in, everything else left to say."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from audiossl import files
from audiossl.data.check import CheckReport, check
from audiossl.data.manifest import Listing, list_items
from audiossl.data.manifest_schema import Manifest
from audiossl.data.new_source import folder_source, table_source, tables_in
from audiossl.errors import DataError, UsageError
from audiossl.progress import Progress
from audiossl.recipe.yaml import dump_yaml

_TOLD = 10
_TABLES = (".csv", ".tsv")


class NewManifest(NamedTuple):
    """A manifest that was written.

    Attributes:
        path: where.
        root: the folder with the files.
        report: what was counted in it.
        tables: those in the folder, which were not read and may say more.
    """

    path: Path
    root: Path
    report: CheckReport
    tables: list[Path]


def write_manifest(
    source: Path, out: Path, *, name: str | None = None, force: bool = False, progress: Progress | None = None
) -> NewManifest:
    """Look at a folder or table, measure its files, and write a commented manifest.

    Args:
        source: a folder of sounds or pictures, or a table (`.csv`, `.tsv`) beside them.
        out: the YAML to write.
        name: of the data set; the folder's or table's when left out.
        force: write over a file that is there.
        progress: told of every file.

    Raises:
        UsageError: `out` is there, or is no YAML.
        DataError: there is nothing to list, or the table names files that are not there.
        WriteError: `out` cannot be written.
    """
    if out.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(f"{out}: a manifest is a YAML file; write --out {out.with_suffix('.yaml').name}")
    if out.exists() and not force:
        raise UsageError(f"{out}: is there already; choose another --out, or write over it with --force")
    table = _table(source)
    root, modality, rows = table_source(table) if table else (source, *folder_source(source))
    said: dict[str, Any] = {
        "schema": "audiossl/manifest@1",
        "name": name or _name(table.stem if table and table.stem != "metadata" else root.resolve().name),
        "version": "1",
        "modality": modality,
        "title": "",
        "homepage": "",
        "license": {"dataset": "unknown", "commercial": "unknown", "notes": ""},
        "items": [rows],
    }
    if splits := _own_splits(table, rows):
        said["splits"] = splits
    listing = _listing(said, root)
    report = check(listing, progress=progress)
    said |= {modality: report.seen.described(), "expect": _expect(report)}
    if report.classes:
        said["tasks"] = {"labels": _task(listing, rows)}
    Manifest.model_validate({**said, "tasks": said.get("tasks", {})})
    files.write_text(out, "\n".join(_sections(said, out)))
    return NewManifest(out, root, report, [] if table else tables_in(source))


def _table(source: Path) -> Path | None:
    """The table that is meant, if one is: itself, or the `metadata.csv` of a folder."""
    if source.is_dir():
        inside = source / "metadata.csv"
        return inside if inside.is_file() else None
    if source.suffix.lower() in _TABLES and source.is_file():
        return source
    raise DataError(f"{source}: is neither a folder nor a table; give a folder of sounds or pictures, a .csv or a .tsv")


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or "mine"


def _own_splits(table: Path | None, rows: dict[str, Any]) -> list[str]:
    """The splits of a column whose values are none of the usual words."""
    from audiossl.data.own import table_header
    from audiossl.data.records import read_csv

    split = rows.get("split")
    if table is None or not split or "map" in split:
        return []
    records = read_csv(table, table_header(table)[1])
    values = {text for record in records if (text := record.values[split["column"]].strip())}
    return [] if values <= {"train", "valid", "test"} else sorted(values)


def _listing(said: dict[str, Any], root: Path) -> Listing:
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"{said['name']}.yaml"
        draft.write_text(dump_yaml(said), encoding="utf-8")
        listing = list_items(draft, root)
    if listing.problems:
        told = [str(problem) for problem in listing.problems[:_TOLD]]
        more = len(listing.problems) - len(told)
        raise DataError("\n".join([*told, *([f"... and {more:,} more"] if more else []), "mend these and run again"]))
    return listing


def _expect(report: CheckReport) -> dict[str, Any]:
    counted = {
        "items": report.items,
        "classes": len(report.classes),
        "splits": report.splits,
        "folds": {str(fold): count for fold, count in report.folds.items()},
        "groups": report.groups,
        "texts": report.texts,
    }
    return {what: count for what, count in counted.items() if count}


def _task(listing: Listing, rows: dict[str, Any]) -> dict[str, Any]:
    several = "sep" in rows["labels"]
    task: dict[str, Any] = {"target": "multi"} if several else {}
    if any(fold is not None for fold in listing.items.column("fold")):
        task["protocol"] = {"by": "fold"}
    elif "test" in listing.items.column("split"):
        task["protocol"] = {"by": "split"}
    elif "group" in rows:
        task["protocol"] = {"by": "group"}
    return {**task, "metrics": {"primary": "map_macro" if several else "accuracy"}}


def _sections(said: dict[str, Any], out: Path) -> Iterator[str]:
    """The manifest as text, section by section."""
    comments = {
        "schema": f"Made by `audiossl data new`; any line may be changed. `audiossl data check {out.name}` counts.",
        "title": "One line for lists and tables, and where the data come from.",
        "license": 'An SPDX identifier such as CC-BY-4.0; commercial: "yes", "no", restricted or unknown.',
        said["modality"]: "What was measured; left out is what differs from file to file.",
        "items": "How rows are made: file, label, part, and the group (speaker, site) that must not be cut apart.",
        "splits": "The parts that rows may be in.",
        "tasks": "What `audiossl evaluate` asks; the first is meant where none is named.",
        "expect": "What was counted; `audiossl data check` compares it with what is there.",
    }
    order = ["schema", "name", "version", "modality", "title", "homepage", "license", said["modality"], "items"]
    for key in (*order, "splits", "tasks", "expect"):
        if key in said:
            if key in comments:
                yield f"{'' if key == 'schema' else chr(10)}# {comments[key]}"
            yield dump_yaml({key: said[key]}).rstrip()
    yield ""

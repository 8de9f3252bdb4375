"""From what a user names to a table of examples: a shipped manifest, a YAML, a CSV, a folder, or one file.

Promise: every path is relative to one root and inside it, every listed file is there, no row is twice, every split is
known, and a source that gives labels gives one to every row. Whatever breaks this is told with its line, all at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audiossl import files
from audiossl.data import manifest_schema, source_schema
from audiossl.data.items import Item, Items
from audiossl.data.manifest_schema import Expect, Manifest
from audiossl.data.own import own_manifest, own_table, table_header
from audiossl.data.source_schema import ClosedSource, RegexSource, Source, SynthSource, TableSource
from audiossl.data.sources import Problem, Row, rows
from audiossl.data.tasks import Asked, apply_task
from audiossl.data.walk import modality_of_names, modality_there
from audiossl.errors import DataError, UsageError
from audiossl.modality import MODALITIES, Kind
from audiossl.places.urls import refuse_url
from audiossl.recipe.base import Config
from audiossl.recipe.yaml import Document, read_yaml
from audiossl.synth import TABLE

_TOLD = 10
"""Faults told in one message; the others are counted."""


@dataclass(frozen=True)
class Listing:
    """What a source lists.

    Attributes:
        items: the good rows.
        problems: the faults of the others.
        manifest: which it is.
        expect: the figures that its manifest or the task gives.
        left_out: rows whose files are not there, of a manifest that knows its copies to be partial.
    """

    items: Items
    problems: list[Problem]
    manifest: Manifest
    expect: Expect
    left_out: Items


def load_items(
    source: str | Path,
    root: Path | None = None,
    task: str | None = None,
    *,
    labels_from_folders: bool = False,
    modality: Kind | None = None,
) -> Items:
    """The examples of `source`.

    Args:
        source: a shipped manifest's name (`esc50`), one of its tasks (`esc50/esc10`), a manifest (`.yaml`), a table
            (`.csv`, `.tsv`), a folder of sounds or pictures, or one file.
        root: the folder that the paths of a manifest or table are relative to; otherwise the file's own folder.
        task: of a manifest; the first when left out.
        labels_from_folders: of a folder: each file's label is the name of the folder it is in.
        modality: what is wanted. When left out the manifest says it, and of one's own data what most files are.

    Raises:
        DataError: it is not there, holds nothing of the modality, or a row has a fault (missing file, path outside
            the root, duplicate, unknown split, no label), each with `file line N`.
        UsageError: an unknown task, or an option that does not go with the source.
    """
    listing = list_items(source, root, task, labels_from_folders=labels_from_folders, modality=modality)
    if listing.problems:
        told = [str(problem) for problem in listing.problems[:_TOLD]]
        if len(listing.problems) > _TOLD:
            told.append(f"... and {len(listing.problems) - _TOLD:,} more; `audiossl data check` counts them")
        raise DataError("\n".join(told))
    return listing.items


def list_items(
    source: str | Path,
    root: Path | None = None,
    task: str | None = None,
    *,
    labels_from_folders: bool = False,
    modality: Kind | None = None,
) -> Listing:
    """As `load_items`, with the rows' faults beside the good rows instead of raised."""
    for place in (source, root):
        refuse_url(place or "", "this command")
    named, task = named_task(source, task)
    path = Path(named)
    if str(named) in shipped_manifests():
        asked, folder = apply_task(load_manifest(str(named)), task, files.shipped("data_manifests")), root
    elif path.suffix.lower() in (".yaml", ".yml"):
        asked, folder = apply_task(load_manifest(path), task, path.parent), root or path.parent
    elif task is not None:
        raise UsageError(f"{source} is no manifest and has no task {task}; leave the task out")
    elif path.suffix.lower() not in (".csv", ".tsv") or path.is_dir():
        return _own_folder(path, root, labels_from_folders, modality)
    elif not labels_from_folders:
        return _own_table(path, root, modality)
    if labels_from_folders:
        raise UsageError(f"{source} says itself what its labels are; leave --labels-from-folders out")
    manifest = asked.manifest
    _agree(manifest, modality)
    folder = _root(manifest, folder)
    made = (
        rows(part, folder, manifest.splits, modality=manifest.modality, beside=asked.beside)
        for part in _sources(asked, folder)
    )
    return _listing(asked, folder, made)


def named_task(source: str | Path, task: str | None = None) -> tuple[str | Path, str | None]:
    """`NAME/TASK` of a shipped manifest, or `FILE.yaml/TASK`, as the two it names."""
    name, _, last = str(source).rpartition("/")
    is_manifest = name in shipped_manifests() or (Path(name).suffix in (".yaml", ".yml") and Path(name).is_file())
    if task is not None or not is_manifest or Path(source).exists():
        return source, task
    return name, last


def shipped_manifests() -> list[str]:
    """The names of the manifests that come with audiossl."""
    return sorted(path.stem for path in files.shipped("data_manifests").glob("*.yaml"))


def load_manifest(source: str | Path) -> Manifest:
    """A manifest by its shipped name (with or without a task) or its path.

    Raises:
        DataError: it is not there or says something a manifest cannot; one line per fault, `file:line: what`.
    """
    name = str(named_task(source)[0])
    path = files.shipped("data_manifests") / f"{name}.yaml" if name in shipped_manifests() else Path(name)
    if not path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise DataError(f"{source}: there is no such manifest; {_nearest_manifest(name)}")
    document = read_yaml(path, error=DataError)
    try:
        return Manifest.model_validate(document.value)
    except ValidationError as error:
        raise DataError("\n".join(_faults(document, error))) from error


def _nearest_manifest(name: str) -> str:
    near = get_close_matches(name.split("/")[0], shipped_manifests(), n=1)
    return f"did you mean {near[0]}?" if near else "give a path, or a name that `audiossl data list` tells"


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
    configs = [one for room in (manifest_schema, source_schema) for one in vars(room).values() if isinstance(one, type)]
    names = {name for one in configs if issubclass(one, Config) for name in one.model_fields}
    return sorted(names | {"schema", "from"})


def _root(manifest: Manifest, root: Path | None) -> Path:
    """The folder with the data; what audiossl makes itself is made when it is not there yet."""
    synth = next((source for source in manifest.items if isinstance(source, SynthSource)), None)
    if synth is not None:
        name = f"{manifest.name}-{manifest.version}-{synth.seed}-{synth.n}"
        root = files.cache_folder() / name if root is None else root
        if not (root / TABLE).is_file():
            MODALITIES[manifest.modality].make_set(root, synth.n, synth.seed)
    if root is None:
        raise DataError(f"{manifest.name}: say where the files are: give --data PATH, {_wanted(manifest)}")
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; give --data PATH, {_wanted(manifest)}")
    return root / manifest.folder if manifest.folder and (root / manifest.folder).is_dir() else root


def _sources(asked: Asked, root: Path) -> list[Source]:
    """The sources that apply: all without `when`, and the first whose `when` is there."""
    always = [source for source in asked.sources if source.when is None]
    chosen = [source for source in asked.sources if source.when is not None and (root / source.when).exists()]
    tables = [source.file for source in always if isinstance(source, TableSource) and "*" not in source.file]
    missing = [name for name in tables if not (root / name).is_file()]
    if missing or not (always or chosen):
        gone = f" (`{missing[0]}` is missing)" if 0 < len(missing) < len(tables) else ""
        raise DataError(f"{root}: is not {asked.name}{gone}; give --data PATH, {_wanted(asked.manifest)}")
    return always + chosen[:1]


def _wanted(manifest: Manifest) -> str:
    """What the folder must hold, and where to get it."""
    places = [f"`{one.when}`" for one in manifest.items if one.when and not isinstance(one, ClosedSource)]
    tables = [f"`{source.file}`" for source in manifest.items if isinstance(source, TableSource) and not source.when]
    held = " or ".join(dict.fromkeys(places)) or " and ".join(dict.fromkeys(tables)) or "its files"
    return f"the folder that holds {held}" + (f" (from {manifest.homepage})" if manifest.homepage else "")


def _listing(asked: Asked, root: Path, parts: Iterable[Iterable[Row | Problem]]) -> Listing:
    """Good rows and faults of all sources; a file segment or an id that comes a second time is a fault."""
    good: list[Item] = []
    absent: list[Item] = []
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
            (good if row.there else absent).append(row.item)
    if not good and not problems:
        raise DataError(f"{root}: {_nothing(asked, absent)}")
    items = Items.from_rows(
        good, root, name=asked.name, crossing_groups=asked.expect.crossing_groups, design=asked.design
    )
    left_out = Items.from_rows(absent, root, name=asked.name)
    return Listing(replace(items, left_out=len(absent)), problems, asked.manifest, asked.expect, left_out)


def _nothing(asked: Asked, absent: list[Item]) -> str:
    forms = [source.regex for source in asked.sources if isinstance(source, RegexSource)]
    if forms and not absent:
        form = " or ".join(forms)
        return f"is not {asked.name}, no file has the form {form}; give --data PATH, {_wanted(asked.manifest)}"
    if not absent:
        return f"{asked.name} lists nothing; a table with at least one row is needed"
    return f"{asked.name} lists {len(absent):,} files, and none is there; the first is `{absent[0].path}`"


def _agree(manifest: Manifest, wanted: Kind | None) -> None:
    """Refuse data of another modality than is wanted (raises `DataError`)."""
    if wanted not in (None, manifest.modality):
        there, here = MODALITIES[manifest.modality].nouns, MODALITIES[wanted].nouns
        raise DataError(
            f"{manifest.name}: holds {there}, and {here} are wanted here; give data of {here}, or use a recipe or a "
            f"model of {there}"
        )


def _own_table(path: Path, root: Path | None, wanted: Kind | None) -> Listing:
    """A table by the names of its columns; what its files are is told by their suffixes, where these are known."""
    asked, folder = apply_task(own_table(path)), root or path.parent
    listing = _listing(asked, folder, [rows(asked.sources[0], folder, asked.manifest.splits, given=path)])
    modality = modality_of_names(listing.items.column("path")) or wanted or "audio"
    listing = replace(listing, manifest=listing.manifest.model_copy(update={"modality": modality}))
    _agree(listing.manifest, wanted)
    return listing


def _own_folder(path: Path, root: Path | None, labelled: bool, wanted: Kind | None) -> Listing:
    """A folder of sounds or pictures, or one file; a folder with a `metadata.csv` of `file_name`s is that table."""
    if not path.exists():
        raise DataError(f"{path}: there is no such data set, file or folder; {_nearest_manifest(str(path))}")
    if root is not None:
        raise UsageError(f"{path} is a place itself; leave --data out, which is for manifests and tables")
    table = path / "metadata.csv"
    if table.is_file() and not labelled and "file_name" in table_header(table)[0]:
        return list_items(table, modality=wanted)
    folder = path if path.is_dir() else path.parent
    fields: dict[str, Any] = {"from": "folder"}
    if labelled:
        fields["labels"] = {"column": "parent"}
    modality = wanted or modality_there(path)
    asked = apply_task(own_manifest(path.resolve().name or "folder", fields, modality))
    return _listing(asked, folder, [rows(asked.sources[0], folder, modality=modality, given=path)])

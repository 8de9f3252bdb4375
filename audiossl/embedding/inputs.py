"""What a user names on the command line, as one table of items whose paths are absolute or URLs."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audiossl.data.items import SCHEMA, Items
from audiossl.data.manifest import load_items, named_task, shipped_manifests
from audiossl.data.walk import find_names
from audiossl.errors import UsageError
from audiossl.modality import Modality
from audiossl.places.connect import connect
from audiossl.places.listing import find, has_pattern
from audiossl.places.urls import absolute, is_web, path_of, shown, url_of

STDIN = "-"
_TABLES = frozenset((".csv", ".tsv", ".yaml", ".yml"))
_AT_ONCE = 1 << 16
"""Names held as Python text; a table of Arrow is a fifth as large."""
_KEY = ["path", "start_s", "end_s"]


def gather(inputs: Sequence[str | Path], modality: Modality, root: Path | None = None) -> Items:
    """The items of all inputs, in order, each once.

    Args:
        inputs: files, folders (with all below), patterns such as `day1/*.flac`, URLs of all these, CSV tables,
            manifests or their shipped names; `-` for a list on standard input (see `listed`). A file of the modality
            need not exist: it will be listed as failed.
        modality: what is looked for in folders, and what tables and manifests must be of.
        root: the folder of a manifest's or table's files.

    Raises:
        UsageError: no input, a pattern that matches nothing, an empty list, or a URL that cannot be used.
        DataError: a folder, table or manifest that cannot be used.
    """
    if not inputs:
        raise UsageError(
            f"give at least one {modality.noun} file, folder, URL, CSV or manifest, or - for a list on stdin"
        )
    tables = [table for name in inputs for table in _tables(name, modality, root)]
    name = shown(inputs[0]) if len(inputs) == 1 else f"{len(inputs)} inputs"
    return Items(_each_once(pa.concat_tables(tables)), Path("/"), name)


def listed(file: BinaryIO) -> Iterator[str]:
    """The names in a list: one a line, or each ended by a NUL where there is one (`find -print0`).

    A name is taken as it stands, a path or a URL, without patterns and without folders; bytes that are no text are
    kept as the file system keeps them. Empty lines are passed over.
    """
    block = file.read(_AT_ONCE)
    end = b"\0" if b"\0" in block else b"\n"
    rest = b""
    while block:
        *names, rest = (rest + block).split(end)
        yield from (os.fsdecode(name) for name in map(_line if end == b"\n" else bytes, names) if name)
        block = file.read(_AT_ONCE)
    if last := _line(rest) if end == b"\n" else rest:
        yield os.fsdecode(last)


def _line(line: bytes) -> bytes:
    return line.removesuffix(b"\r")


def _tables(given: str | Path, modality: Modality, root: Path | None) -> Iterator[pa.Table]:
    """The items of one input."""
    if url := url_of(given):
        yield from _whole_files(_remote(url, modality))
        return
    if given == STDIN:
        count = 0
        for table in _whole_files(_checked(listed(sys.stdin.buffer))):
            count += table.num_rows
            yield table
        if not count:
            raise UsageError("the list on standard input is empty; write one path or URL a line, such as `find` does")
        return
    path = path_of(given)
    name = str(path) if str(given)[:7].lower() == "file://" else str(given)
    if glob.has_magic(name) and not path.exists():
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - keeps `./` and absolute names as written
        if not matches:
            raise UsageError(f"nothing matches {name}; check the pattern, or quote it less")
        yield from _whole_files(match for match in matches if not os.path.isdir(match))  # noqa: PTH112
        for match in matches:
            if os.path.isdir(match):  # noqa: PTH112
                yield from _tables(match, modality, None)
    elif _is_one_file(path, modality):
        yield from _whole_files([name])
    elif path.is_dir() and not (path / "metadata.csv").is_file():
        folder = absolute(path)
        yield from _whole_files((f"{folder}/{below}" for below in find_names(path, modality.name)), folder)
    else:
        is_table = named_task(name)[0] in shipped_manifests() or path.suffix.lower() in _TABLES
        items = load_items(name, root if is_table else None, modality=modality.name)
        paths = pa.array((absolute(file) for file in items.paths()), pa.string())
        yield items.table.set_column(SCHEMA.get_field_index("path"), SCHEMA.field("path"), paths)


def _remote(url: str, modality: Modality) -> list[str]:
    """The URLs of the files that a URL means; that of a file is not asked for yet."""
    connect(url)
    suffix = PurePosixPath(shown(url)).suffix.lower()
    if suffix in _TABLES:
        raise UsageError(f"{shown(url)}: tables and manifests are read from local files only; copy it here first")
    if not has_pattern(url) and (suffix in modality.suffixes or (is_web(url) and not shown(url).endswith("/"))):
        return [url]
    return find(url, modality.suffixes)


def _checked(names: Iterable[str]) -> Iterator[str]:
    """`names`, each protocol in them known to be usable."""
    usable: set[str] = set()
    for name in names:
        if "://" in name and (url := url_of(name)) and (scheme := url.partition("://")[0]) not in usable:
            connect(url)
            usable.add(scheme)
        yield name


def _is_one_file(path: Path, modality: Modality) -> bool:
    if path.exists():
        return not path.is_dir() and path.suffix.lower() not in _TABLES
    return path.suffix.lower() in modality.suffixes


def _whole_files(names: Iterable[str], folder: str = "") -> Iterator[pa.Table]:
    """Whole files as tables; an item is called as its file, or as its path below `folder`."""
    feed = iter(names)
    while part := list(islice(feed, _AT_ONCE)):
        paths = [url_of(name) or absolute(name) for name in part]
        ids = [_called(path, folder) for path in paths]
        known = {"id": ids, "path": paths, "labels": [[]] * len(part), "events": [[]] * len(part)}
        columns = [
            pa.array(known[field.name], field.type) if field.name in known else pa.nulls(len(part), field.type)
            for field in SCHEMA
        ]
        yield pa.Table.from_arrays(columns, schema=SCHEMA)


def _called(path: str, folder: str) -> str:
    inside = folder and path.startswith(f"{folder}/")
    return path[len(folder) + 1 :] if inside else shown(path).rpartition("/")[2]


def _each_once(table: pa.Table) -> pa.Table:
    numbered = table.select(_KEY).append_column("at", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(_KEY).aggregate([("at", "min")]).column("at_min")
    once = table.take(np.sort(first.to_numpy())) if len(first) < table.num_rows else table
    path = once.column("path")
    names: dict[str, str] = {}
    for url in path.filter(pc.match_substring(path, "://")).unique().to_pylist():
        if names.setdefault(shown(url), url) != url:
            raise UsageError(
                f"{shown(url)}: is given with two queries or users, which are never kept, since they may be secret; "
                "embed one of them, or into another --out"
            )
    return once

"""What a user names on the command line, as one table of items whose paths are absolute."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from audiossl.data.items import Item, Items
from audiossl.data.manifest import load_items, named_task, shipped_manifests
from audiossl.data.walk import SOUND_SUFFIXES
from audiossl.errors import UsageError

_TABLES = frozenset((".csv", ".tsv", ".yaml", ".yml"))


def gather(inputs: Sequence[str | Path], root: Path | None = None) -> Items:
    """The items of all inputs, in order, each once.

    Args:
        inputs: sound files, folders (with all below), patterns such as `day1/*.flac`, CSV tables, manifests or their
            shipped names. A sound file need not exist: it will be listed as failed.
        root: the folder of a manifest's or table's files.

    Raises:
        UsageError: no input, or a pattern that matches nothing.
        DataError: a folder, table or manifest that cannot be used.
    """
    if not inputs:
        raise UsageError("give at least one sound file, folder, CSV or manifest")
    rows: dict[tuple[str, float | None, float | None], Item] = {}
    for name in inputs:
        for item in _items(str(name), root):
            rows.setdefault((item.path, item.start_s, item.end_s), item)
    return Items.from_rows(
        rows.values(), Path("/"), name=str(inputs[0]) if len(inputs) == 1 else f"{len(inputs)} inputs"
    )


def _items(name: str, root: Path | None) -> Iterator[Item]:
    path = Path(name)
    if glob.has_magic(name) and not path.exists():
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - keeps `./` and absolute names as written
        if not matches:
            raise UsageError(f"nothing matches {name}; check the pattern, or quote it less")
        for match in matches:
            yield from _items(match, None) if Path(match).is_dir() else [_sound(Path(match))]
        return
    if _is_one_sound(path):
        yield _sound(path)
        return
    is_table = named_task(name)[0] in shipped_manifests() or path.suffix.lower() in _TABLES
    items = load_items(name, root if is_table else None)
    for item, file in zip(items.rows(), items.paths(), strict=True):
        yield item._replace(path=str(file.absolute()))


def _is_one_sound(path: Path) -> bool:
    if path.exists():
        return not path.is_dir() and path.suffix.lower() not in _TABLES
    return path.suffix.lower() in SOUND_SUFFIXES


def _sound(path: Path) -> Item:
    return Item(id=path.name, path=str(path.absolute()))

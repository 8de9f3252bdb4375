"""What `audiossl data check` counts: what a data set lists, what is there, and what its manifest says about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from audiossl.data.items import Items
from audiossl.data.manifest import Listing
from audiossl.data.splits import group_numbers, listed, official_splits, target_of
from audiossl.data.walk import SUFFIXES, all_names
from audiossl.errors import DataError, MediaError
from audiossl.media import Seen
from audiossl.modality import MODALITIES, Kind
from audiossl.progress import Progress, Silent

_THREADS = 8
_AHEAD = 1000
"""Files handed to the threads at once: a hundred thousand would keep the first result waiting."""
_HEAD_BYTES = 1 << 16

_Value = TypeVar("_Value", int, str)


@dataclass(frozen=True)
class CheckReport:
    """What was found; paths are relative to `root`.

    Attributes:
        name, root: of the data set.
        verified: every file was decoded to its end, not only its header read.
        items, files: rows of the table, and files behind them that can be read.
        missing: listed, but not there.
        rows: other faults of rows (outside the root, duplicate, unknown split, no label).
        unlisted: files of the set's modality that are there, but not listed.
        others: how many files of other modalities are there, and left alone.
        unreadable: path and cause.
        seen: what the modality tells of the readable files.
        duplicates: paths of files with the same bytes (SHA-256).
        left_out: how many rows of a copy known to be partial have no file.
        classes, folds, splits: how many rows have each.
        by_part: of each fold or split, how many rows have each class.
        groups: how many groups there are.
        crossing: how many of them stand in several folds or splits.
        texts: how many rows have a text.
        events: how many labelled stretches each class has.
        gaps: classes that a fold lacks, and what keeps the rounds of training and test from being fair.
        differing: what the manifest expects and is not so.
    """

    name: str
    root: str
    verified: bool
    items: int
    files: int
    missing: list[str]
    rows: list[str]
    unlisted: list[str]
    others: dict[str, int]
    unreadable: list[tuple[str, str]]
    seen: Seen
    duplicates: list[list[str]]
    left_out: int
    classes: dict[str, int]
    folds: dict[int, int]
    splits: dict[str, int]
    by_part: dict[str, dict[str, int]]
    groups: int
    crossing: int
    texts: int
    events: dict[str, int]
    gaps: list[str]
    differing: list[str]

    @property
    def faults(self) -> list[str]:
        """What keeps the data set from being used as it stands, in words; empty when all is well."""
        unreadable = [f"{path}: {cause}" for path, cause in self.unreadable]
        return [*self.missing, *self.rows, *unreadable, *self.gaps, *self.differing]


def check(listing: Listing, *, verify: bool = False, progress: Progress | None = None) -> CheckReport:
    """Look at every file of a data set.

    Args:
        listing: from `manifest.list_items`.
        verify: decode every file whole, which finds damage inside; otherwise only headers are read.
        progress: told of every file.
    """
    items, modality = listing.items, listing.manifest.modality
    paths = list(dict.fromkeys(items.column("path")))
    looks, unreadable = _look_at_all(items.root, paths, modality, verify, progress or Silent())
    there = _there(items.root)
    labels = Counter(label for row in items.column("labels") for label in row)
    return CheckReport(
        name=items.name,
        root=str(items.root),
        verified=verify,
        items=len(items),
        files=len(looks),
        missing=[str(problem) for problem in listing.problems if problem.kind == "missing"],
        rows=[str(problem) for problem in listing.problems if problem.kind != "missing"],
        unlisted=sorted(set(there.pop(modality)) - set(paths)),
        others={MODALITIES[other].noun: len(names) for other, names in there.items() if names},
        unreadable=unreadable,
        seen=MODALITIES[modality].summarise(looks, verify),
        duplicates=_duplicates(items.root, list(looks)),
        left_out=len(listing.left_out),
        classes=dict(sorted(labels.items())),
        folds=_counted(fold for fold in items.column("fold") if fold is not None),
        splits=_counted(split for split in items.column("split") if split is not None),
        by_part=_by_part(items),
        groups=len({group for group in items.groups() if group is not None}),
        crossing=_crossing(items),
        texts=_texts(items),
        events=_counted(event.label for row in items.events() for event in row),
        gaps=list(_gaps(items)),
        differing=list(differing(listing)),
    )


def _look_at_all(
    root: Path, paths: list[str], modality: Kind, verify: bool, progress: Progress
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What every readable file is, by its path, and the others with what is wrong."""
    looks: dict[str, Any] = {}
    unreadable: list[tuple[str, str]] = []

    def look(path: str) -> Any:
        try:
            return MODALITIES[modality].look(root / path, verify)
        except MediaError as error:
            return error

    progress.start("checking", len(paths), "files")
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(paths), _AHEAD):
                part = paths[start : start + _AHEAD]
                for path, seen in zip(part, pool.map(look, part), strict=True):
                    if isinstance(seen, MediaError):
                        unreadable.append((path, seen.cause))
                    else:
                        looks[path] = seen
                    progress.advance()
    finally:
        progress.close()
    return looks, unreadable


def _there(root: Path) -> dict[Kind, list[str]]:
    """Every file below the root that has a known suffix; none where that cannot be looked at."""
    try:
        return all_names(root)
    except DataError:
        return {modality: [] for modality in SUFFIXES}


def _duplicates(root: Path, paths: list[str]) -> list[list[str]]:
    """Files with the same bytes: those equal in size and in their first 64 kB are read whole."""
    alike: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for path in paths:
        try:
            with (root / path).open("rb") as file:
                alike[(root / path).stat().st_size, sha256(file.read(_HEAD_BYTES)).digest()].append(path)
        except OSError:  # gone since it was probed
            continue
    same: dict[bytes, list[str]] = defaultdict(list)
    for (size, head), members in alike.items():
        for path in members if len(members) > 1 else ():
            same[head if size <= _HEAD_BYTES else _digest(root / path)].append(path)
    return sorted(members for members in same.values() if len(members) > 1)


def _digest(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.digest()


def _counted(values: Iterator[_Value]) -> dict[_Value, int]:
    return dict(sorted(Counter(values).items()))


def _texts(items: Items) -> int:
    return sum(text is not None for text in items.column("text"))


def _parts(items: Items) -> list[str | None]:
    """Each row's fold, or its split, as the design parts them; None without either."""
    by = items.design.by or ("fold" if items.folds() else "split")
    return [None if part is None else f"{by} {part}" for part in items.column(by)]


def _by_part(items: Items) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for part, labels in zip(_parts(items), items.column("labels"), strict=True):
        if part is not None:
            counts[part].update(labels)
    return {part: dict(sorted(counts[part].items())) for part in sorted(counts)}


def _crossing(items: Items) -> int:
    parts: dict[int, set[str | None]] = defaultdict(set)
    for group, part in zip(group_numbers(items).tolist(), _parts(items), strict=True):
        parts[group].add(part)
    return sum(len(there) > 1 for there in parts.values())


def _gaps(items: Items) -> Iterator[str]:
    """Folds that lack a class, and what `official_splits` refuses."""
    by_fold = items.design.by in (None, "fold") and len(items.folds()) > 1
    if by_fold and target_of(items) == "single":
        for part, there in _by_part(items).items():
            if lacking := [name for name in items.classes if name not in there]:
                yield f"{items.name}: {part} has no item of {listed(lacking)}, which other folds have"
    if items.has_labels and (by_fold or items.design.by == "group" or "test" in items.splits()):
        try:
            official_splits(items)
        except DataError as error:
            yield str(error)


def differing(listing: Listing) -> Iterator[str]:
    """Expected and counted otherwise; rows whose files may be absent count too."""
    expect, both = listing.expect, (listing.items, listing.left_out)
    counted = {
        "items": (expect.items, sum(map(len, both))),
        "classes": (expect.classes, len({name for items in both for name in items.classes})),
        "groups": (expect.groups, len({group for items in both for group in items.groups()} - {None})),
        "texts": (expect.texts, sum(map(_texts, both))),
        "events": (expect.events, sum(len(row) for items in both for row in items.events())),
    }
    splits = Counter(split for items in both for split in items.column("split"))
    counted |= {f"split {name}": (wanted, splits[name]) for name, wanted in (expect.splits or {}).items()}
    folds = Counter(str(fold) for items in both for fold in items.column("fold"))
    counted |= {f"fold {name}": (wanted, folds[name]) for name, wanted in (expect.folds or {}).items()}
    for what, (wanted, found) in counted.items():
        if wanted is not None and wanted != found:
            yield f"{what}: {wanted:,} expected, {found:,} found"

"""From a manifest's name to its files on this disk: download, verify, unpack, count.

Promise: the folder appears when the whole set is there, verified and unpacked, and not before. Archives come into
`FOLDER-archives` beside it; each is unpacked into the hidden `.FOLDER.fetching`, where a note says that it is whole;
then all trees become one, which takes the folder's name. Killed at any moment, the same call goes on from there.
The folder itself keeps `.audiossl-fetch.json`: which remotes it holds, of which addresses and checksums.
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audiossl import files
from audiossl.data.archive import sync_all, unpack
from audiossl.data.archive_writer import Limits
from audiossl.data.check import CheckReport, check
from audiossl.data.download import Patience, download
from audiossl.data.fetch_plan import RECORD, Plan, file_name, free, parts_of
from audiossl.data.manifest import Listing, list_items
from audiossl.errors import DataError, UsageError, WriteError
from audiossl.progress import Progress

_LEFT_BEHIND = "__MACOSX"

Note = list[dict[str, Any]]
"""Of each file of a remote: address, size, checksums, whether these are proved, and how they differ."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes:
        root: the folder to give as `--data`; inside the set's folder where the archive brings one of its own.
        remotes: those fetched now.
        notes: what is worth knowing, in sentences.
        report: what was counted; None where a part of the set is missing, or where there was nothing to do.
    """

    root: Path
    remotes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    report: CheckReport | None = None


def fetch(
    plan: Plan, *, keep_archives: bool = False, patience: Patience | None = None, progress: Progress | None = None
) -> Fetched:
    """Do it.

    Args:
        plan: from `plan_fetch`.
        keep_archives: leave the archives where they are.
        patience: how often a cut or silent connection is tried again.
        progress: told of bytes and files.

    Raises:
        DataError: a file is not what the manifest says, an archive is unsafe or damaged, or a moving file's content
            is not what the manifest counts; the folder is as it was.
        WriteError: too little room; what has come so far is kept.
    """
    if not plan.parts:
        return _complete(plan, keep_archives)
    left = sum(max(0, (part.size or 0) - _there(part.place)) for part in plan.parts)
    if left > (room := free(plan.folder)):
        raise WriteError(
            f"{plan.folder}: {left:,} bytes are to come and {room:,} are free on its disk; "
            f"free some space, or choose another place with --to"
        )
    with _alone(plan):
        notes = {name: _bring(plan, name, patience, progress) for name in plan.remotes}
        fetched = (_add if plan.held else _install)(plan, notes, progress)
        if not keep_archives:
            _drop_archives(plan, plan.remotes)
    shutil.rmtree(plan.staging, ignore_errors=True)
    return fetched


def _bring(plan: Plan, name: str, patience: Patience | None, progress: Progress | None) -> Note:
    """Download and unpack one remote; its tree is whole when its note is there."""
    remote, tree = plan.manifest.remotes[name], plan.tree(name)
    note = tree.with_suffix(".json")
    if note.is_file():
        return list(json.loads(note.read_text(encoding="utf-8")))
    shutil.rmtree(tree, ignore_errors=True)
    places = [part.place for part in plan.parts if part.remote == name]
    found = [
        download(part, place, moving=remote.moving, patience=patience, progress=progress)
        for part, place in zip(remote.parts, places, strict=True)
    ]
    try:
        if remote.kind == "file":
            tree.mkdir(parents=True)
            for part, place in zip(remote.parts, places, strict=True):
                shutil.copyfile(place, tree / file_name(part))
        else:
            unpack(places, tree, limits=Limits.for_items(plan.manifest.expect.items), progress=progress)
    except DataError as error:
        if all(one.proved for one in found):
            raise
        _drop_archives(plan, [name])  # whatever came, a second try must not find it
        raise DataError(f"{error}; the download was removed, because no checksum proves it") from error
    told: Note = [
        {"url": part.url, "bytes": one.bytes, **one.digests, "proved": one.proved, "differs": one.differs}
        for part, one in zip(remote.parts, found, strict=True)
    ]
    files.write_json(note, told)
    return told


def _install(plan: Plan, notes: dict[str, Note], progress: Progress | None) -> Fetched:
    """Make one tree of all, count it, and give it the folder's name."""
    whole = plan.staging / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    for name in notes:
        _move_into(plan.tree(name), whole / plan.manifest.remotes[name].unpack_to)
    listing, report = _count(plan, whole, progress)
    unproved = [name for name, note in notes.items() if not all(part["proved"] for part in note)]
    if (report is None and _differing(notes)) or (report and report.faults and unproved):
        shutil.rmtree(plan.staging, ignore_errors=True)
        _drop_archives(plan, unproved)
        raise DataError(_not_accepted(plan, notes, report))
    root = listing.items.root if listing else whole
    base = _trimmed(whole, root)
    record = {"name": plan.manifest.name, "version": plan.manifest.version, "remotes": notes}
    files.write_json(base / RECORD, {**record, "top": base.relative_to(whole).as_posix()})
    sync_all()
    if plan.folder.is_dir():  # empty, or it would have been refused
        plan.folder.rmdir()
    base.rename(plan.folder)
    root = plan.folder / root.relative_to(base)
    return Fetched(root, list(notes), _accepted(notes, report), report and replace(report, root=str(root)))


def _add(plan: Plan, notes: dict[str, Note], progress: Progress | None) -> Fetched:
    """Put more remotes into a folder that holds some; its record names each when all of it is there."""
    if differing := _differing(notes):
        shutil.rmtree(plan.staging, ignore_errors=True)
        _drop_archives(plan, differing)
        raise DataError(_not_accepted(plan, notes, None))
    record = json.loads((plan.folder / RECORD).read_text(encoding="utf-8"))
    for name, note in notes.items():
        tree, top = plan.tree(name), plan.tree(name) / record["top"]
        _move_into(top if _inner(tree) == top else tree, plan.folder / plan.manifest.remotes[name].unpack_to)
        record["remotes"][name] = note
        sync_all()
        files.write_json(plan.folder / RECORD, record)
    listing, report = _count(plan, plan.folder, progress)
    return Fetched(listing.items.root if listing else plan.folder, list(notes), _accepted(notes, report), report)


def _complete(plan: Plan, keep_archives: bool) -> Fetched:
    """Nothing is to be fetched: whether all that is listed is still there."""
    if plan.staging.exists() and not keep_archives:  # an earlier call was killed while it cleaned up
        _drop_archives(plan, plan.held)
    shutil.rmtree(plan.staging, ignore_errors=True)
    listing = _find(plan, plan.folder)
    if plan.countable and (listing is None or listing.problems):
        gone = f"{listing.problems[0]}; {len(listing.problems):,} such rows" if listing else "its tables are gone"
        raise DataError(f"{plan.folder}: was fetched, but is no longer whole ({gone}); remove it and run again")
    return Fetched(listing.items.root if listing else plan.folder)


def _count(plan: Plan, folder: Path, progress: Progress | None) -> tuple[Listing | None, CheckReport | None]:
    """The rows of a tree, and the manifest's own check (raises `DataError` where it is not the set).

    Where remotes are missing, what is there may be all that is needed: it is counted, and told when it is whole.
    """
    listing = _find(plan, folder)
    if not plan.countable:
        report = check(listing, progress=progress) if listing and not listing.problems else None
        return listing, report if report and not report.faults else None
    if listing is None:
        listing = list_items(plan.source, folder)  # says what keeps it from being the set
    return listing, check(listing, progress=progress)


def _find(plan: Plan, folder: Path) -> Listing | None:
    """The rows in a tree, or in the one folder that it holds: archives of repositories bring such a one."""
    inside: Path | None = folder
    while inside is not None:
        try:
            return list_items(plan.source, inside)
        except DataError:
            inside = _inner(inside)
    return None


def _trimmed(whole: Path, root: Path) -> Path:
    """The tree without the folders around the set, as long as nothing else is in them."""
    while whole != root and (inner := _inner(whole)):
        whole = inner
    return whole


def _inner(folder: Path) -> Path | None:
    """The only folder in a folder."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != _LEFT_BEHIND]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None


def _move_into(source: Path, target: Path) -> None:
    """Move a file or tree to where others may be; what an earlier call has moved is no longer in `source`."""
    if not source.exists():
        return
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    elif source.is_dir() and target.is_dir():
        for entry in sorted(source.iterdir()):
            _move_into(entry, target / entry.name)
        source.rmdir()
    elif source.is_file() and target.is_file() and filecmp.cmp(source, target, shallow=False):
        source.unlink()
    else:
        raise DataError(f"{target.name}: is in two archives of this set, with different content; fetch one with --only")


def _accepted(notes: dict[str, Note], report: CheckReport | None) -> list[str]:
    why = "accepted, because everything that the manifest counts is there" if report else "nothing proves what came"
    return [
        f"{name}: {'; '.join(_differences(note)) or 'the manifest gives no checksum'}; {why}"
        for name, note in notes.items()
        if not all(part["proved"] for part in note)
    ]


def _not_accepted(plan: Plan, notes: dict[str, Note], report: CheckReport | None) -> str:
    if report is None:
        why = "and only a whole set can be counted; fetch it whole, into a new folder"
    else:
        why = f"and what came is not what the manifest counts ({report.faults[0]}); nothing was kept"
    differences = [text for note in notes.values() for text in _differences(note)]
    return f"{plan.manifest.name}: {'; '.join(differences) or 'no checksum proves the download'}, {why}"


def _differing(notes: dict[str, Note]) -> list[str]:
    return [name for name, note in notes.items() if _differences(note)]


def _differences(note: Note) -> list[str]:
    return [text for part in note for text in part["differs"]]


def _drop_archives(plan: Plan, names: Iterable[str]) -> None:
    for part in parts_of(plan):
        if part.remote in names:
            part.place.unlink(missing_ok=True)
    with suppress(OSError):  # other archives are in it
        plan.archives.rmdir()


def _there(place: Path) -> int:
    """Bytes of a download that are on this disk already."""
    for path in (place, place.with_name(f"{place.name}.part")):
        if path.is_file():
            return path.stat().st_size
    return 0


@contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """One fetch at a time works for a folder."""
    try:
        plan.staging.mkdir(parents=True, exist_ok=True)
        with FileLock(plan.staging / "lock", timeout=0):
            yield
    except Timeout as error:
        raise UsageError(f"{plan.folder}: another `audiossl data fetch` is at work there; wait for it") from error
    except OSError as error:
        why = error.strerror or error
        raise WriteError(f"{plan.folder}: cannot be written ({why}); choose another place with --to") from error

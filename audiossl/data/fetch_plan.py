"""What a fetch will do, worked out before anything is written: which files, how large, where to."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from audiossl.data.download import Patience
from audiossl.data.manifest import load_manifest, named_task
from audiossl.data.manifest_schema import Checksums, Manifest
from audiossl.data.servers import size_of
from audiossl.errors import DataError, UsageError

RECORD = ".audiossl-fetch.json"
"""What a fetched folder says of itself: name, version, and the addresses and checksums of its remotes."""

_ASK_AT_ONCE = 8

_BY_HAND = {
    "registration": "is given out after a registration",
    "gated": "is given out after an agreement or a login",
    "local": "is not given out by anybody",
}


@dataclass(frozen=True)
class Part:
    """One file to download: its remote, its place among the archives, its size where somebody tells it, in bytes."""

    remote: str
    index: int
    place: Path
    size: int | None


@dataclass(frozen=True)
class Plan:
    """What a fetch will do.

    Attributes:
        source: what the user named.
        manifest: what that is.
        folder: where the set goes.
        parts: the files still to download.
        held: the remotes that the folder already holds.
        missing: the remotes that nobody asked for.
        free_bytes: room on the disk.
    """

    source: str
    manifest: Manifest
    folder: Path
    parts: list[Part]
    held: dict[str, Any]
    missing: list[str]
    free_bytes: int

    @property
    def archives(self) -> Path:
        """Where downloads go."""
        return self.folder.with_name(f"{self.folder.name}-archives")

    @property
    def staging(self) -> Path:
        """Where archives are unpacked."""
        return self.folder.with_name(f".{self.folder.name}.fetching")

    def tree(self, remote: str) -> Path:
        """Where a remote is unpacked; the note that it is whole has this name with `.json`."""
        return self.staging / f"{list(self.manifest.remotes).index(remote):03d}"

    @property
    def remotes(self) -> list[str]:
        """The remotes still to fetch."""
        return list(dict.fromkeys(part.remote for part in self.parts))

    @property
    def countable(self) -> bool:
        """Whether what the manifest counts will all be there."""
        return not self.missing and self.manifest.availability == "full"

    @property
    def bytes(self) -> int:
        """How much there is to download, as far as it is known."""
        return sum(part.size or 0 for part in self.parts)


def plan_fetch(source: str, to: Path, only: Sequence[str] = (), patience: Patience | None = None) -> Plan:
    """Say what is to be fetched, without writing anything; servers are asked for sizes that the manifest lacks.

    Args:
        source: a shipped manifest's name, or a manifest file.
        to: the folder for the set.
        only: some of the manifest's remotes; all when empty.
        patience: how long to wait for a server.

    Raises:
        DataError: the set is not to be fetched by a program, a file is not there, or the folder holds something else.
        UsageError: `only` names no remote of the manifest.
    """
    source = str(named_task(source)[0])  # all tasks of a set are of the same files
    manifest = load_manifest(source)
    for name in only:
        if name not in manifest.remotes:
            raise UsageError(f"{manifest.name} has no remote {name}; it has {', '.join(manifest.remotes) or 'none'}")
    _check_fetchable(manifest, only or list(manifest.remotes))
    folder = to.resolve()
    held = _held(folder, manifest)
    wanted = [name for name in manifest.remotes if name not in held and (not only or name in only)]
    missing = [name for name in manifest.remotes if name not in held and name not in wanted]
    draft = Plan(source, manifest, folder, [], held, missing, 0)
    parts = [part for part in parts_of(draft) if part.remote in wanted]
    return replace(draft, parts=_sized(parts, manifest, (patience or Patience()).timeout_s), free_bytes=free(folder))


def _check_fetchable(manifest: Manifest, remotes: Sequence[str]) -> None:
    """Say in one sentence where to get a set that no program can fetch (raises `DataError`)."""
    page = f" from {manifest.homepage}" if manifest.homepage else ""
    use = f"then use `--on {manifest.name} --data FOLDER`"
    if reason := _BY_HAND.get(manifest.availability):
        raise DataError(f"{manifest.name} {reason}: get it yourself{page}, {use}")
    if not manifest.remotes:
        raise DataError(f"{manifest.name} names no address, so there is nothing to fetch")
    for name in remotes:
        remote = manifest.remotes[name]
        if remote.kind == "git":
            url = remote.parts[0].url
            clone = f"git clone {url} FOLDER" + (f" && git -C FOLDER checkout {remote.ref}" if remote.ref else "")
            raise DataError(f"{manifest.name} is a git repository: run `{clone}`, {use}")


def _held(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """The remotes that the folder holds (raises `DataError` where it holds something else)."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        held, name = dict(record["remotes"]), f"{record['name']} {record['version']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder}: is there and was not fetched by audiossl; choose a new folder with --to, "
            f"or use what is there with `--on {manifest.name} --data {folder}`"
        ) from error
    if name != f"{manifest.name} {manifest.version}":
        raise DataError(f"{folder}: holds {name}, not {manifest.name} {manifest.version}; choose a new folder")
    return held


def parts_of(plan: Plan) -> Iterator[Part]:
    """Every file of the manifest, with the size that it tells."""
    names = Counter(file_name(part).casefold() for remote in plan.manifest.remotes.values() for part in remote.parts)
    for position, (remote, facts) in enumerate(plan.manifest.remotes.items()):
        for index, part in enumerate(facts.parts):
            name = file_name(part)
            if names[name.casefold()] > 1:
                name = f"{position}.{index}.{name}"
            yield Part(remote, index, plan.archives / name, part.bytes)


def _sized(parts: list[Part], manifest: Manifest, timeout_s: float) -> list[Part]:
    """Sizes that the manifest lacks, asked of the servers."""

    def ask(part: Part) -> Part:
        url = manifest.remotes[part.remote].parts[part.index].url
        return part if part.size is not None else replace(part, size=size_of(url, timeout_s))

    with ThreadPoolExecutor(_ASK_AT_ONCE) as pool:
        return list(pool.map(ask, parts))


def free(folder: Path) -> int:
    """Bytes free on the disk that holds, or will hold, a folder."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def file_name(part: Checksums) -> str:
    """What a file is called here: as the manifest says, or as its address ends, without what could leave the folder."""
    name = re.split(r"[/\\]", part.name or unquote(urlsplit(part.url).path))[-1]
    return re.sub(r"[^\w.+-]", "_", name).strip(".")[-150:] or "download"

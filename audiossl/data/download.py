"""One file from the network: continued where it was cut, and kept only when its checksums are right.

Promise: a file under its own name is whole and verified. Bytes go to `NAME.part`; beside it `NAME.part.json` says of
which version of the file they are, so that a later call asks for the missing bytes alone, and starts over where the
server has another version by now or cannot continue.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import requests

from audiossl.data.manifest_schema import Checksums
from audiossl.data.servers import Cut, ask
from audiossl.errors import DataError, WriteError
from audiossl.progress import Progress, Silent


@dataclass(frozen=True)
class Patience:
    """How long to go on: `tries` in a row that bring nothing, with a pause before each, doubled each time."""

    tries: int = 5
    pause_s: float = 1.0
    longest_pause_s: float = 60.0
    timeout_s: float = 60.0


class Downloaded(NamedTuple):
    """A file that is there.

    Attributes:
        bytes: its size.
        digests: its checksums, those that the manifest gives, or SHA-256.
        differs: what the manifest has otherwise, in words; only of a moving file, others are refused.
        proved: the manifest gives a checksum, and it is this.
    """

    bytes: int
    digests: dict[str, str]
    differs: list[str]
    proved: bool


class _Part:
    """The bytes that are there already, and which version of the file they are of."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.part")
        self._facts = path.with_name(f"{path.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def version(self, url: str) -> dict[str, str] | None:
        """Of the bytes that are there; None where they are none, or not of this address."""
        try:
            facts = json.loads(self._facts.read_text())
            return dict(facts["version"]) if facts["url"] == url and self.size else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, url: str, version: dict[str, str]) -> None:
        self.forget()
        self._facts.write_text(json.dumps({"url": url, "version": version}))

    def forget(self) -> None:
        self._facts.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(path)
        self._facts.unlink(missing_ok=True)


def download(
    remote: Checksums,
    path: Path,
    *,
    moving: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Downloaded:
    """Bring a file to `path`, or find it there.

    Args:
        remote: the address (http, https or file) and its checksums; all that are given are verified.
        path: its place.
        moving: the file may change; checksums that differ are told in `differs` instead of refused.
        patience: how often a cut or silent connection is tried again.
        progress: told of the bytes.

    Raises:
        DataError: it is not to be had, or not what the manifest says; nothing is left under `path`.
        WriteError: the disk is full, or the place cannot be written; what has come so far is kept.
    """
    patience, progress, part = patience or Patience(), progress or Silent(), _Part(path)
    try:
        if path.is_file():
            return _verified(remote, path, path, moving, progress)
        path.parent.mkdir(parents=True, exist_ok=True)
        continued = part.version(remote.url) is not None
        _bring(remote, part, None if moving else remote.bytes, patience, progress)
        try:
            found = _verified(remote, part.path, path, moving, progress)
        except DataError:
            part.forget()
            if not continued:
                raise
            # The two pieces may be of two versions, where a server names none: one fresh try tells.
            return download(remote, path, moving=moving, patience=patience, progress=progress)
        part.finish(path)
        return found
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise WriteError(
                f"{path}: the disk is full; what has come so far is kept; free some space and run again"
            ) from error
        raise WriteError(
            f"{path}: cannot be written ({error.strerror or error}); choose another place with --to"
        ) from error


def _bring(remote: Checksums, part: _Part, wanted: int | None, patience: Patience, progress: Progress) -> None:
    """Try until the part is whole."""
    failures = 0
    while True:
        before = part.size
        try:
            _try_once(remote.url, part, wanted, patience.timeout_s, progress)
            return
        except Cut as cut:
            failures = 1 if part.size > before else failures + 1
            if failures >= patience.tries:
                kept = f"; {part.size:,} bytes are kept, the same command continues" if part.size else ""
                raise DataError(f"{remote.url}: {cut} ({failures} tries){kept}") from cut
            pause_s = patience.pause_s * 2 ** (failures - 1)
            time.sleep(min(max(pause_s, cut.wait_s), patience.longest_pause_s))
        finally:
            progress.close()


def _try_once(url: str, part: _Part, wanted: int | None, timeout_s: float, progress: Progress) -> None:
    """Ask for what is missing and write it (raises `Cut`)."""
    known = part.version(url)
    start = part.size if known is not None else 0
    if known and known.get("total") == str(start):  # killed before it was verified
        return
    with requests.Session() as session:
        answer = ask(session, url, start, known or {}, timeout_s)
        if answer is None:  # nothing is missing
            return
        if wanted is not None and answer.total not in (None, wanted):
            raise DataError(f"{url}: is {answer.total:,} bytes long, the manifest says {wanted:,}; it has changed")
        if answer.start == 0:
            part.begin(url, answer.version)
        progress.start(f"downloading {part.path.stem}", answer.total or wanted, "bytes", done=answer.start)
        size = answer.start
        with part.path.open("ab", buffering=0) as file:
            for piece in answer.pieces:
                size += len(piece)
                if size > (wanted or size):
                    part.forget()
                    raise DataError(f"{url}: sends more than the {wanted:,} bytes of the manifest; it has changed")
                file.write(piece)
                progress.advance(len(piece))
    if answer.total is not None and size < answer.total:
        raise Cut(f"the connection was cut after {size:,} of {answer.total:,} bytes")


def _verified(remote: Checksums, path: Path, name: Path, moving: bool, progress: Progress) -> Downloaded:
    """The file's checksums, compared with the manifest's (raises `DataError`)."""
    size = path.stat().st_size
    wanted = {kind: value.lower() for kind in ("md5", "sha256") if (value := getattr(remote, kind))}
    digests = _digests(path, list(wanted) or ["sha256"], size, progress)
    pairs = [(kind, value, digests[kind]) for kind, value in wanted.items()]
    if remote.bytes is not None:
        pairs.append(("size in bytes", str(remote.bytes), str(size)))
    differs = [f"{kind} is {found}, the manifest says {said}" for kind, said, found in pairs if found != said]
    if differs and not moving:
        what = "remove it and run again" if path == name else "it is damaged or has changed, and was removed"
        raise DataError(f"{name if path == name else remote.url}: {'; '.join(differs)}; {what}")
    return Downloaded(size, digests, differs, bool(wanted) and not differs)


def _digests(path: Path, kinds: list[str], size: int, progress: Progress) -> dict[str, str]:
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    progress.start(f"verifying {path.name.removesuffix('.part')}", size, "bytes")
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                for digest in hashes.values():
                    digest.update(piece)
                progress.advance(len(piece))
    finally:
        progress.close()
    return {kind: digest.hexdigest() for kind, digest in hashes.items()}

"""Writing what an archive holds into one folder: every name is looked at, every byte is counted.

Promise: nothing is written outside the folder, no link is ever made, and no more is written than the limits allow,
whatever the archive says about itself.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from audiossl.progress import Progress

CHUNK_BYTES = 1 << 20

_CONTROL = re.compile("[\0-\x1f\x7f]")
_ROOTED = re.compile(r"[/\\~]|[A-Za-z]:")


class Refused(Exception):  # noqa: N818 - `archive.unpack` makes a sentence with the archive's name of it
    """What is wrong with an archive, in words that follow its name."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold before it is taken for a bomb.

    Attributes:
        entries: files, folders and links.
        ratio: bytes unpacked for each byte packed, over the whole archive.
        spare_bytes: so much may be unpacked from however few bytes.
    """

    entries: int = 500_000
    ratio: float = 200.0
    spare_bytes: int = 64 << 20

    @classmethod
    def for_items(cls, items: int | None) -> Limits:
        """Room for a data set of `items` rows: a few files for each, and some beside them."""
        return cls() if items is None else cls(entries=10_000 + 4 * items)

    def max_bytes(self, packed_bytes: int) -> int:
        """How many bytes may come out of `packed_bytes`."""
        return max(self.spare_bytes, int(self.ratio * packed_bytes))


class Writer:
    """Writes the members of one archive into `folder`, which is new and empty.

    Args:
        folder: where to.
        limits: what is too much.
        packed_bytes: size of the archive.
        title: of the work.
        progress: told the bytes of each piece that was written.
    """

    def __init__(self, folder: Path, limits: Limits, packed_bytes: int, title: str, progress: Progress) -> None:
        self.files = self.bytes = 0
        self.limits = limits
        self.root, self._title, self._progress = folder, title, progress
        self._max_bytes = limits.max_bytes(packed_bytes)
        self._packed = packed_bytes
        self._entries = 0
        self._kinds: dict[str, tuple[str, Literal["file", "folder"]]] = {}
        self._links: list[tuple[str, str]] = []

    def begin(self, total_bytes: int | None) -> None:
        """Say how much is to come, where the archive tells that before its members."""
        self._progress.start(self._title, total_bytes, "bytes")

    def check_total(self, declared_bytes: int) -> None:
        """Refuse an archive that says itself that it holds too much (`OSError` where it is too much for the disk)."""
        if declared_bytes > self._max_bytes:
            raise Refused(
                f"would unpack to {declared_bytes:,} bytes from {self._packed:,}, which no data set does; "
                f"the limit is {self._max_bytes:,} bytes"
            )
        if declared_bytes - self.bytes > shutil.disk_usage(self.root).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def folder(self, name: str) -> None:
        """Make a folder."""
        self._place(name, "folder").mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: BinaryIO) -> None:
        """Write a file from a stream, piece by piece."""
        place = self._place(name, "file")
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            while piece := content.read(CHUNK_BYTES):
                self._count(len(piece), name)
                file.write(piece)
        self.files += 1

    def link(self, name: str, target: str, *, hard: bool) -> None:
        """Remember a link to a file of the same archive; `finish` puts a copy of that file in its place.

        Args:
            name: of the link.
            target: as the archive says: from the link's own folder, or from the archive's for a hard link.
            hard: which of the two.
        """
        base = "" if hard else posixpath.dirname(tidy(name))
        inside = posixpath.normpath(posixpath.join(base, target))
        if _ROOTED.match(target) or inside.split("/")[0] == "..":
            raise Refused(f"holds {name!r}, a link to {target!r} outside its own folder")
        self._place(name, "file")
        self._links.append((name, inside))

    def finish(self) -> None:
        """Copy the files that links lead to."""
        for name, inside in self._links:
            target = self.root / inside
            if not target.is_file():
                raise Refused(f"holds {name!r}, a link to {inside!r}, which is no file of this archive")
            self._count(target.stat().st_size, name)
            place = self.root / tidy(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, place)
            self.files += 1

    def _count(self, n: int, name: str) -> None:
        self.bytes += n
        if self.bytes > self._max_bytes:
            raise Refused(
                f"unpacks to more than {self._max_bytes:,} bytes from {self._packed:,}, which no data set does "
                f"(stopped in {name!r})"
            )
        self._progress.advance(n)

    def _place(self, name: str, kind: Literal["file", "folder"]) -> Path:
        """Where a member goes."""
        self._entries += 1
        if self._entries > self.limits.entries:
            raise Refused(too_many(self.limits.entries))
        inside = tidy(name)
        if inside:
            self._enter(inside, kind)
        elif kind == "file":
            raise Refused("holds a file without a name")
        return self.root / inside

    def _enter(self, name: str, kind: Literal["file", "folder"]) -> None:
        """Keep a name, and refuse it where it is another's: on some disks names differ by more than their case."""
        key = unicodedata.normalize("NFC", name).casefold()
        known = self._kinds.get(key)
        if known and (kind, known[1]) != ("folder", "folder"):
            same = "twice" if known[0] == name else f"beside {known[0]!r}, which is the same name on some disks"
            raise Refused(f"holds {name!r} {same}")
        if not known:
            self._kinds[key] = (name, kind)
            if parent := posixpath.dirname(name):
                self._enter(parent, "folder")


def too_many(limit: int) -> str:
    """The refusal of an archive with more entries than that."""
    return f"holds more than {limit:,} entries, which is too many for this data set"


def tidy(name: str) -> str:
    """A member's name without `.` and empty parts; refuses one that could leave the folder."""
    if _CONTROL.search(name) or "\\" in name:
        raise Refused(f"holds {name!r}, a name with a backslash or a control character")
    if _ROOTED.match(name):
        raise Refused(f"holds {name!r}, an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused(f"holds {name!r}, a path out of its own folder")
    return "/".join(parts)

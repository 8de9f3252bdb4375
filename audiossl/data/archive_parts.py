"""Archives in several parts: files read one after another as one, and split zips whose directory is put right.

A split zip (PKWARE APPNOTE 8.5: .z01, .z02, ... .zip) is no plain zip cut into pieces: its directory says of each
member on which part it begins and where on that part. `as_one_zip` gives the same bytes with a directory that counts
from the beginning of the whole, which `zipfile` reads. A plain zip that was only cut needs no more than `Joined`.
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from audiossl.data.archive_writer import Refused, too_many

_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_MAX_COMMENT = 0xFFFF
_MAX_ENTRY_BYTES = 1 << 12
"""On the average, with name, extra fields and comment."""

_ZIP64, _ELSEWHERE = 0x0001, 0xFFFFFFFF


class Joined(io.RawIOBase):
    """Files one after another as one file to read.

    Attributes:
        starts: where each of them begins.
        size: of all together.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files: list[BinaryIO] = [path.open("rb") for path in paths]
        *self.starts, self.size = accumulate((path.stat().st_size for path in paths), initial=0)
        self._at = 0

    def end_with(self, cut: int, tail: bytes) -> None:
        """Show `tail` instead of what stands at `cut` and behind."""
        kept = bisect_right(self.starts, cut - 1)
        for file in self._files[kept:]:
            file.close()
        self._files[kept:], self.starts[kept:] = [io.BytesIO(tail)], [cut]
        self.size = cut + len(tail)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position and tell it."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read up to the end of the file in which the position is."""
        if self._at >= self.size:
            return 0
        part = bisect_right(self.starts, self._at) - 1
        end = [*self.starts, self.size][part + 1]
        file = self._files[part]
        file.seek(self._at - self.starts[part])
        piece = file.read(min(len(buffer), end - self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        super().close()


class Directory(NamedTuple):
    """Where a zip's directory is: on which part, at which byte of it, how long; `end` is where what follows begins.

    `parts` is 1 for a plain zip; `entries` is what the zip says, which may be too few.
    """

    parts: int
    part: int
    entries: int
    offset: int
    size: int
    end: int


def as_one_zip(joined: Joined, max_entries: int) -> None:
    """Put the directory of a split zip right, and refuse one with too many entries before anything is built of it.

    Raises:
        Refused: no zip, a part is missing or in the wrong place, or too many entries.
    """
    directory = _directory(joined)
    if directory.parts > 1 and directory.parts != len(joined.starts):
        raise Refused(f"is one zip in {directory.parts} parts, of which {len(joined.starts)} are given")
    if directory.entries > max_entries or directory.size > max_entries * _MAX_ENTRY_BYTES:
        raise Refused(too_many(max_entries))
    start = directory.end - directory.size
    if directory.parts > 1:
        start = _start_of(joined, directory.part) + directory.offset
    if start < 0 or start + directory.size > joined.size:
        raise Refused("is cut or no zip archive: its directory is not where its end says")
    entries = list(_entries(_read(joined, start, directory.size), max_entries))
    if directory.parts > 1:
        moved = b"".join(_moved(joined, *entry) for entry in entries)
        joined.end_with(start, moved + _end(len(entries), len(moved), start))


def _directory(joined: Joined) -> Directory:
    """What the end of a zip says of its directory."""
    tail_at = max(0, joined.size - _MAX_COMMENT - _END.size)
    tail = _read(joined, tail_at, joined.size - tail_at)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise Refused("is cut or no zip archive: its end is missing")
    _, part, first, _, entries, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_at + at
    locator = _read(joined, max(0, end - _LOCATOR.size), _LOCATOR.size)
    if not locator.startswith(b"PK\6\7") or len(locator) < _LOCATOR.size:
        return Directory(part + 1, first, entries, offset, size, end)
    _, on, offset, parts = _LOCATOR.unpack(locator)
    # Of a plain zip with something in front only the distance from the end is right; zip64's record is of fixed size.
    end = _start_of(joined, on) + offset if parts > 1 else end - _LOCATOR.size - _END64.size
    record = _read(joined, end, _END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\6\6"):
        raise Refused("is cut or no zip archive: its end is damaged")
    _, _, _, _, part, first, _, entries, size, offset = _END64.unpack(record)
    return Directory(part + 1, first, entries, offset, size, end)


def _entries(directory: bytes, max_entries: int) -> Iterator[tuple[list[Any], bytes, bytes, bytes]]:
    """Fields, name, extra fields and comment of each entry."""
    at = count = 0
    while at < len(directory):
        if len(directory) - at < _ENTRY.size or directory[at : at + 4] != b"PK\1\2":
            raise Refused("has a damaged directory")
        count += 1
        if count > max_entries:
            raise Refused(too_many(max_entries))
        fields = list(_ENTRY.unpack_from(directory, at))
        texts = []
        at += _ENTRY.size
        for length in fields[10:13]:
            texts.append(directory[at : at + length])
            at += length
        name, extra, comment = texts
        yield fields, name, extra, comment


def _moved(joined: Joined, fields: list[Any], name: bytes, extra: bytes, comment: bytes) -> bytes:
    """An entry that counts from the beginning of the whole."""
    packed, unpacked, part, offset = fields[8], fields[9], fields[13], fields[16]
    others, large = b"", b""
    for kind, content in _extras(extra):
        if kind == _ZIP64:
            large = content
        else:
            others += struct.pack("<2H", kind, len(content)) + content
    # zip64 holds, in this order, those of the values whose own field is full.
    values = iter(struct.unpack(f"<{len(large) // 8}Q", large[: len(large) // 8 * 8]))
    try:
        unpacked = next(values) if unpacked == _ELSEWHERE else unpacked
        packed = next(values) if packed == _ELSEWHERE else packed
        offset = next(values) if offset == _ELSEWHERE else offset
    except StopIteration:
        raise Refused("has a damaged directory") from None
    where = _start_of(joined, part) + offset
    fields[8], fields[9], fields[13], fields[16] = _ELSEWHERE, _ELSEWHERE, 0, _ELSEWHERE
    extra = struct.pack("<2H3Q", _ZIP64, 24, unpacked, packed, where) + others
    fields[11] = len(extra)
    return _ENTRY.pack(*fields) + name + extra + comment


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length


def _end(entries: int, size: int, start: int) -> bytes:
    """The end of a zip in one part."""
    return (
        _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, entries, entries, size, start)
        + _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
        + _END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, _ELSEWHERE, _ELSEWHERE, 0)
    )


def _start_of(joined: Joined, part: int) -> int:
    if part >= len(joined.starts):
        raise Refused(f"is one zip in {part + 1} parts or more, of which {len(joined.starts)} are given")
    return joined.starts[part]


def _read(joined: Joined, at: int, length: int) -> bytes:
    joined.seek(at)
    pieces = []
    while length > 0 and (piece := joined.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)

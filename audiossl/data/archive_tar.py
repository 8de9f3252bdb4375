"""The members of a tar, read once from front to end."""

from __future__ import annotations

import io
import tarfile
from typing import BinaryIO, cast

from audiossl.data.archive_writer import CHUNK_BYTES, Refused, Writer, tidy

_BLOCK = tarfile.BLOCKSIZE
_MAX_HEADER_BYTES = 16 << 20
"""Between two members; tarfile takes long names and extended headers into memory, as long as they say they are."""


class _Watched(io.RawIOBase):
    """A stream that may only give so many bytes between two members, and knows what it gave last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.left = 0
        self.given = 0
        self.last = b""

    def read(self, n: int = -1) -> bytes:
        """The next bytes."""
        piece = self._stream.read(n)
        self.left -= len(piece)
        if self.left < 0:
            raise Refused("holds a header that does not end")
        self.given += len(piece)
        self.last = (self.last + piece)[-2 * CHUNK_BYTES :]
        return piece

    def ends_at(self, offset: int) -> bool:
        """Whether the block of zeros that ends a tar stands at `offset`."""
        start = offset - (self.given - len(self.last))
        return start >= 0 and self.last[start : start + _BLOCK] == bytes(_BLOCK)


def unpack_tar(stream: BinaryIO, writer: Writer) -> None:
    """Write all members (raises `Refused`, or what the decompressor raises for damage)."""
    watched = _Watched(stream)
    watched.left = _MAX_HEADER_BYTES
    writer.begin(None)
    try:
        with tarfile.open(fileobj=cast(BinaryIO, watched), mode="r|", bufsize=_BLOCK * 512) as archive:
            while member := archive.next():
                watched.left = member.size + _MAX_HEADER_BYTES
                _unpack_member(archive, member, writer)
                watched.left = _MAX_HEADER_BYTES
                archive.members = []  # type: ignore[attr-defined]
            if not watched.ends_at(archive.offset):
                raise Refused("is cut or damaged: its end is missing")
    except tarfile.FilterError as error:
        raise Refused(f"is refused: {error}") from error
    except tarfile.TarError as error:
        raise Refused(f"is cut or damaged ({error})") from error


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, writer: Writer) -> None:
    name = tidy(member.name)
    tarfile.data_filter(member, str(writer.root))  # a second opinion, from Python's own checks
    if member.isdir():
        writer.folder(name)
    elif member.islnk() or member.issym():
        writer.link(name, member.linkname, hard=member.islnk())
    elif member.isreg():
        writer.check_total(writer.bytes + member.size)
        content = archive.extractfile(member)
        assert content is not None, "tarfile gives the content of every regular member"
        writer.file(name, cast(BinaryIO, content))
    else:
        raise Refused(f"holds {name!r}, a device or pipe")

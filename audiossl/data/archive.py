"""Safe unpacking of zip, tar (plain, gz, bz2, xz), split zips and archives cut into pieces.

Promise: the whole archive or nothing. Members are written one by one into a temporary folder beside the target, which
takes its name when the last one is there. Refused, each in one sentence: absolute paths, `..`, links that leave the
folder, devices, names that are one name on some disks, encrypted and damaged members, bombs. A folder that a killed
process left behind is taken away by the next call.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from audiossl.data.archive_parts import Joined
from audiossl.data.archive_tar import unpack_tar
from audiossl.data.archive_writer import Limits, Refused, Writer
from audiossl.data.archive_zip import unpack_zip
from audiossl.errors import DataError, WriteError
from audiossl.progress import Progress, Silent

_SQUEEZED: dict[bytes, Callable[[BinaryIO], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_TAR_MARK = (257, b"ustar")
_HEAD_BYTES = 512


@dataclass(frozen=True)
class Unpacked:
    """How many files an archive held, and how many bytes."""

    files: int
    bytes: int


def unpack(
    parts: Sequence[Path], folder: Path, *, limits: Limits | None = None, progress: Progress | None = None
) -> Unpacked:
    """Unpack an archive into `folder`.

    Args:
        parts: the archive's files in their order; one for most.
        folder: a new folder; its parent is made where it is missing.
        limits: what is too much.
        progress: told of the bytes written.

    Raises:
        DataError: the archive is damaged, cut, of an unknown kind, or holds what is refused; `folder` is not there.
        WriteError: the disk is full or the place cannot be written; `folder` is not there.
    """
    temporary = folder.with_name(f".{folder.name}.unpacking")
    progress = progress or Silent()
    try:
        _new_folder(temporary)
        with Joined(parts) as joined:
            writer = Writer(temporary, limits or Limits(), joined.size, f"unpacking {parts[0].name}", progress)
            _unpack_any(joined, writer)
        writer.finish()
        sync_all()
        temporary.rename(folder)
    except Refused as refusal:
        raise DataError(f"{_named(parts)} {refusal}; nothing was unpacked") from refusal
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{_named(parts)} is damaged ({_reason(error)}); nothing was unpacked") from error
    except OSError as error:
        raise _error(parts, folder, error) from error
    finally:
        progress.close()
        shutil.rmtree(temporary, ignore_errors=True)
    return Unpacked(writer.files, writer.bytes)


def sync_all() -> None:
    """Bring what was written to disk; one call for a hundred thousand files."""
    if hasattr(os, "sync"):
        os.sync()


def _unpack_any(joined: Joined, writer: Writer) -> None:
    """By what the first bytes say, whatever the name."""
    head = joined.read(_HEAD_BYTES)
    joined.seek(0)
    stream = cast(BinaryIO, io.BufferedReader(joined, 1 << 18))
    try:
        for mark, opened in _SQUEEZED.items():
            if head.startswith(mark):
                unpack_tar(cast(BinaryIO, opened(stream)), writer)
                return
        at, mark = _TAR_MARK
        if head[at:].startswith(mark):
            unpack_tar(stream, writer)
        elif head[:2] == b"PK" or len(joined.starts) > 1:  # a first part may be missing
            unpack_zip(joined, writer)
        else:
            page = head.lstrip()[:1] == b"<"
            raise Refused("is a web page, not an archive" if page else "is neither a zip nor a tar archive")
    finally:
        with suppress(ValueError):  # closed with the zip
            cast(io.BufferedReader, stream).detach()


def _new_folder(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _named(parts: Sequence[Path]) -> str:
    return str(parts[0]) if len(parts) == 1 else f"{parts[0]} and its {len(parts) - 1} other parts"


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or "it ends too early"


def _error(parts: Sequence[Path], folder: Path, error: OSError) -> Exception:
    if error.errno is None:  # what gzip and bz2 say of damaged bytes
        return DataError(f"{_named(parts)} is damaged ({_reason(error)}); nothing was unpacked")
    if error.errno == errno.ENOSPC:
        return WriteError(f"{folder}: the disk is full; nothing was unpacked; free some space and run again")
    return WriteError(f"{folder}: cannot be written ({error.strerror or error}); choose another place")

"""Opening a file that came from anywhere: a regular file with something in it, or one clear error at once.

Promise: nothing hangs. A FIFO is not opened for reading, a folder or device is not opened at all.
"""

from __future__ import annotations

import os
import stat
from io import FileIO
from pathlib import Path

from audiossl.errors import MediaError

_NOT_REGULAR = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


def open_regular(path: str | Path, kind: str, error: type[MediaError]) -> FileIO:
    """Open a regular, non-empty file for reading.

    Args:
        path: the file.
        kind: what it should be, in words: "a picture".
        error: raised for a path that is missing, not permitted, empty, or no regular file.
    """
    try:
        _refuse_irregular(path, Path(path).stat(), kind, error)
        # `O_NONBLOCK`: a FIFO put there in between cannot hold us.
        file = FileIO(path, opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
        try:
            _refuse_irregular(path, os.fstat(file.fileno()), kind, error)
        except MediaError:
            file.close()
            raise
    except FileNotFoundError as missing:
        raise error(path, "does not exist") from missing
    except (OSError, ValueError, RuntimeError) as cause:
        raise error(path, f"cannot be opened ({getattr(cause, 'strerror', None) or cause})") from cause
    return file


def _refuse_irregular(path: str | Path, status: os.stat_result, kind: str, error: type[MediaError]) -> None:
    if not stat.S_ISREG(status.st_mode):
        found = _NOT_REGULAR.get(stat.S_IFMT(status.st_mode), "is no regular file")
        raise error(path, f"{found}, not {kind}")
    if status.st_size == 0:
        raise error(path, "is empty (0 bytes)")

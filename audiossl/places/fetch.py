"""A file from anywhere as a local file, for as long as it is read."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiossl.errors import AudiosslError, MediaError, WriteError
from audiossl.places.connect import connect, patiently, why
from audiossl.places.urls import path_of, shown, url_of


@contextmanager
def at_hand(place: str | Path) -> Iterator[Path]:
    """A local file with the content of `place`: that file itself, or a copy that is removed afterwards.

    Raises:
        MediaError: it cannot be fetched. One that is raised inside names `place`, not the copy.
        WriteError: the folder for temporary files is full or cannot be written.
    """
    url = url_of(place)
    if url is None:
        yield path_of(place)
        return
    copy = _temporary()
    try:
        _fetch(url, copy)
        yield copy
    except MediaError as error:
        raise type(error)(shown(url), error.cause, error.offset_s) from error
    finally:
        copy.unlink(missing_ok=True)


def _fetch(url: str, copy: Path) -> None:
    system, path = connect(url)
    try:
        patiently(lambda: system.get_file(path, str(copy)))
    except AudiosslError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WriteError(f"{copy.parent}: is full; let TMPDIR name a folder with more room") from error
        raise MediaError(shown(url), why(error)) from error


def _temporary() -> Path:
    try:
        descriptor, name = tempfile.mkstemp(prefix="audiossl-")
    except OSError as error:
        raise WriteError(f"no temporary file can be made ({error.strerror}); let TMPDIR name another folder") from error
    os.close(descriptor)
    return Path(name)

"""The one door for writing: whole files or nothing, and the recipes and manifests that ship with the package.

Promise: a file under its own name is complete. Bytes go to a temporary name in the same folder, are fsynced, and
renamed; the folder is fsynced. A process killed at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from audiossl.errors import UsageError, WriteError

PART_SUFFIX = ".part"


@contextmanager
def atomic_path(path: str | Path, *, needs_bytes: int = 0) -> Iterator[Path]:
    """Give a temporary name beside `path`; on leaving without error, fsync it and rename it to `path`.

    Args:
        path: the final name. Its folder is made where it is missing.
        needs_bytes: refuse at once when the disk has less free space than this.

    Raises:
        WriteError: the disk is full or the place cannot be written; `path` is as it was before.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}{PART_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if needs_bytes and shutil.disk_usage(path.parent).free < needs_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield part
        _sync(part)
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        with suppress(OSError):  # the folder may be none, which is what is being reported
            part.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all (raises `WriteError`)."""
    with atomic_path(path, needs_bytes=2 * len(content)) as part:
        part.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Write `content` as UTF-8 to `path`, whole or not at all (raises `WriteError`)."""
    write_bytes(path, content.encode())


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON to `path`, whole or not at all; NaN is refused with `ValueError`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_with(path: str | Path, write: Callable[[Path], object], *, needs_bytes: int = 0) -> None:
    """Let `write(temporary_path)` make the file, then put it under its own name (raises `WriteError`)."""
    with atomic_path(path, needs_bytes=needs_bytes) as part:
        write(part)


def shipped(kind: str) -> Path:
    """The folder of the shipped `recipes` or `data_manifests`, in a wheel or in a checkout.

    Raises:
        UsageError: the installation holds neither.
    """
    package = Path(__file__).parent
    for folder in (package / "_shipped" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise UsageError(f"the shipped {kind} are missing from this installation at {package}; install audiossl again")


def cache_folder() -> Path:
    """Where things that can be made again are kept: `$AUDIOSSL_CACHE`, or the user's cache folder of this system."""
    chosen = os.environ.get("AUDIOSSL_CACHE")
    if chosen:
        return Path(chosen)
    import pooch

    return Path(pooch.os_cache("audiossl"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_error(path: Path, error: OSError) -> WriteError:
    if error.errno == errno.ENOSPC:
        return WriteError(f"{path}: the disk is full; the file is as it was before; free some space and run again")
    return WriteError(f"{path}: cannot be written ({error.strerror or error}); choose another place with --out")

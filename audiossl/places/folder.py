"""A folder of embeddings, here or elsewhere: those methods of a `Path` that it needs, on what fsspec opens.

A file elsewhere is made in a temporary file here and then put, so that it is whole or not there: object stores replace
whole objects. There is no lock elsewhere: two runs into one such folder are the user's to avoid.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiossl import files
from audiossl.errors import AudiosslError, DataError, UsageError, WriteError
from audiossl.places.connect import connect, is_missing, patiently, why
from audiossl.places.urls import path_of, shown, trimmed, url_of

if TYPE_CHECKING:
    import pyarrow as pa


class Remote:
    """A file or folder at a URL. `str` shows no secrets."""

    def __init__(self, url: str) -> None:
        self._url = trimmed(url)

    def __str__(self) -> str:
        return shown(self._url)

    def __repr__(self) -> str:
        return f"Remote({str(self)!r})"

    def __truediv__(self, name: str) -> Remote:
        return Remote(f"{self._url}{'' if self._url.endswith('/') else '/'}{name}")

    def size(self) -> int | None:
        """Bytes of a file; None: there is none."""
        try:
            return int(self._asked("size"))
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """The files and folders directly inside."""
        try:
            return sorted(str(name).rstrip("/").rpartition("/")[2] for name in self._asked("ls", detail=False))
        except FileNotFoundError:
            return []

    def read_bytes(self) -> bytes:
        """The whole content (raises `FileNotFoundError`, or `DataError` for every other reason)."""
        return bytes(self._asked("cat_file"))

    def read_table(self, columns: Sequence[str] | None) -> pa.Table:
        """These columns of a Parquet file; nothing else of it is read where the server gives parts of files."""
        import pyarrow.parquet as pq

        system, path = connect(self._url)
        return patiently(partial(pq.read_table, path, columns=columns, filesystem=system))

    def put(self, file: Path) -> None:
        """Copy a local file to here (raises `WriteError`)."""
        system, path = connect(self._url)
        try:
            with suppress(NotImplementedError, PermissionError):  # object stores have no folders to make
                system.makedirs(system._parent(path), exist_ok=True)
            patiently(partial(system.put_file, str(file), path))
        except AudiosslError:
            raise
        except NotImplementedError as error:
            raise UsageError(f"{self}: nothing can be written there; give another --out") from error
        except Exception as error:
            raise WriteError(f"{self}: {why(error)}; choose another place with --out") from error

    def unlink(self) -> None:
        """Remove a file, if it is there."""
        system, path = connect(self._url)
        try:
            patiently(partial(system.rm_file, path))
        except Exception as error:
            if not is_missing(error):
                raise WriteError(f"{self}: cannot be removed; it {why(error)}") from error

    def _asked(self, question: str, **told: Any) -> Any:
        system, path = connect(self._url)
        system.invalidate_cache()
        try:
            return patiently(partial(getattr(system, question), path, **told))
        except Exception as error:
            if is_missing(error):
                raise FileNotFoundError(str(self)) from error
            raise DataError(f"{self}: {why(error)}") from error


Place = Path | Remote


def place_of(name: str | Path | Remote) -> Place:
    """Where `name` is.

    Raises:
        UsageError: its protocol is not known, or it is a signed address, which is good for one file only.
    """
    if isinstance(name, Remote):
        return name
    url = url_of(name)
    if url is None:
        return path_of(name)
    connect(url)
    if trimmed(url) != url.rstrip("/") or "?" in url:
        raise UsageError(f"{shown(url)}: is no URL of a folder; leave out what begins with `?`")
    return Remote(url)


def names(folder: Place) -> list[str]:
    """The files and folders directly inside, sorted; none where there is no such folder."""
    if isinstance(folder, Remote):
        return folder.names()
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def remove(place: Place) -> None:
    """Remove a file, if it is there."""
    place.unlink() if isinstance(place, Remote) else place.unlink(missing_ok=True)


def read_table(place: Place, columns: Sequence[str] | None = None) -> pa.Table:
    """These columns of a Parquet file; all when left out (raises `OSError` or `pyarrow.ArrowException`)."""
    import pyarrow.parquet as pq

    return place.read_table(columns) if isinstance(place, Remote) else pq.read_table(place, columns=columns)


def write_with(place: Place, write: Callable[[Path], object], *, needs_bytes: int = 0) -> tuple[int, str]:
    """As `files.write_with`; gives the size and the sha256 of what was written (raises `WriteError`)."""
    told: list[tuple[int, str]] = []

    def write_and_tell(path: Path) -> None:
        write(path)
        told.append((path.stat().st_size, sha256(path)))

    if isinstance(place, Remote):
        with tempfile.TemporaryDirectory(prefix="audiossl-") as folder:
            local = Path(folder) / "file"
            files.write_with(local, write_and_tell, needs_bytes=needs_bytes)
            place.put(local)
    else:
        files.write_with(place, write_and_tell, needs_bytes=needs_bytes)
    return told[0]


def write_bytes(place: Place, content: bytes) -> None:
    """Write `content`, whole or not at all (raises `WriteError`)."""
    write_with(place, lambda path: path.write_bytes(content), needs_bytes=2 * len(content))


def write_json(place: Place, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all; NaN is refused with `ValueError`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(place, text.encode())


def sha256(path: Path) -> str:
    """Of a local file."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

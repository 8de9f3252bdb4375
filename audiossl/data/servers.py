"""Asking for a file: over http and https, with the rest of a file that was cut, or from this disk (`file:`).

The name of a file is never a server's to choose: nothing here reads one from an address or from an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3

from audiossl.errors import DataError
from audiossl.version import __version__

_CHUNK_BYTES = 1 << 16
"""What a cut connection may cost."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Answers that may be others a moment later."""


class Cut(Exception):  # noqa: N818 - `download` makes a sentence of it
    """A try came to an end before the file did; another may go on."""

    def __init__(self, cause: str, wait_s: float = 0.0) -> None:
        super().__init__(cause)
        self.wait_s = wait_s


class Answer(NamedTuple):
    """What a server sends: bytes from `start` of a file of `total` bytes, and what tells it from its later versions."""

    pieces: Iterator[bytes]
    start: int
    total: int | None
    version: dict[str, str]


def size_of(url: str, timeout_s: float) -> int | None:
    """The size that a server tells without sending the file, in bytes; None where it tells none.

    Raises:
        DataError: there is no such file.
    """
    if (local := _local(url)) is not None:
        return _local_size(local, url)
    try:
        with requests.head(url, headers=_headers(), timeout=timeout_s, allow_redirects=True) as response:
            if response.status_code in (404, 410):
                raise DataError(_refusal(url, response))
            length = response.headers.get("Content-Length", "")
            return int(length) if response.ok and length.isdigit() else None
    except requests.RequestException:
        return None


def ask(session: requests.Session, url: str, start: int, known: dict[str, str], timeout_s: float) -> Answer | None:
    """The file from `start` on, or from its beginning where it cannot be continued; None: there is no more of it."""
    if (local := _local(url)) is not None:
        return _read_local(local, url, start, known)
    headers = _headers()
    if start:
        headers["Range"] = f"bytes={start}-"
        if "etag" in known or "modified" in known:
            headers["If-Range"] = known.get("etag") or known["modified"]
    try:
        response = session.get(url, headers=headers, stream=True, timeout=timeout_s)
    except (requests.ConnectionError, requests.Timeout) as error:
        if isinstance(error, requests.exceptions.SSLError):
            raise DataError(f"{url}: its certificate is not trusted ({_reason(error)})") from error
        raise Cut(f"cannot be reached ({_reason(error)})") from error
    except requests.RequestException as error:
        raise DataError(f"{url}: cannot be fetched ({_reason(error)})") from error
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise DataError(f"{url}: leads to {response.url}, where the way is open to others; it is not followed")
    if response.status_code in _PASSING:
        wait = response.headers.get("Retry-After", "")
        raise Cut(f"the server answers {response.status_code} {response.reason}", float(wait) if wait.isdigit() else 0)
    version, total = _version(response), _total(response)
    if response.status_code == 416 and total == start:
        return None
    if start and (response.status_code == 416 or not _continues(response, start, known, version)):
        return ask(session, url, 0, {}, timeout_s)
    if response.status_code not in (200, 206):
        raise DataError(_refusal(url, response))
    return Answer(_pieces(response), start if response.status_code == 206 else 0, total, version)


def _continues(response: requests.Response, start: int, known: dict[str, str], version: dict[str, str]) -> bool:
    """Whether an answer is the rest of the same file, or the whole of whatever it is now."""
    if response.status_code != 206:
        return True
    begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    same = all(version.get(key, value) == value for key, value in known.items())
    return begins is not None and int(begins[1]) == start and same


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they are on the server: a `.gz` that is also sent as `Content-Encoding: gzip` stays one."""
    try:
        yield from response.raw.stream(_CHUNK_BYTES, decode_content=False)
    except (urllib3.exceptions.HTTPError, requests.RequestException) as error:
        raise Cut("the connection was cut") from error
    finally:
        response.close()


def _version(response: requests.Response) -> dict[str, str]:
    """What tells this version of the file from others; a weak tag (W/) says nothing of bytes."""
    version = {}
    tag, modified, total = response.headers.get("ETag", ""), response.headers.get("Last-Modified"), _total(response)
    if tag.startswith('"'):
        version["etag"] = tag
    if modified:
        version["modified"] = modified
    if total is not None:
        version["total"] = str(total)
    return version


def _total(response: requests.Response) -> int | None:
    """Size of the whole file in bytes."""
    if match := re.search(r"/(\d+)$", response.headers.get("Content-Range", "")):
        return int(match[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if response.status_code == 200 and length.isdigit() else None


def _headers() -> dict[str, str]:
    return {"Accept-Encoding": "identity", "User-Agent": f"audiossl/{__version__}"}


def _refusal(url: str, response: requests.Response) -> str:
    return (
        f"{url}: the server answers {response.status_code} {response.reason}; see the data set's page for where it is"
    )


def _reason(error: Exception) -> str:
    """The innermost cause, without the addresses of objects."""
    text = str(error.args[0].reason if error.args and hasattr(error.args[0], "reason") else error)
    return re.sub(r"^.*?(?:>|\)): ", "", text).strip() or type(error).__name__


def _local(url: str) -> Path | None:
    """The place of a `file:` address; None for one of the network (raises `DataError` for any other)."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return Path(url2pathname(parts.path))
    raise DataError(f"{url}: is no address of a file; write one with https://, http:// or file:///")


def _local_size(path: Path, url: str) -> int:
    try:
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise DataError(f"{url}: cannot be read ({error.strerror})") from error


def _read_local(path: Path, url: str, start: int, known: dict[str, str]) -> Answer | None:
    total = _local_size(path, url)
    version = {"modified": str(path.stat().st_mtime_ns), "total": str(total)}
    start = start if version == known else 0
    return None if start == total > 0 else Answer(_local_pieces(path, start), start, total, version)


def _local_pieces(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while piece := file.read(_CHUNK_BYTES):
            yield piece

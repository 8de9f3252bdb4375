"""Talking to a server: whatever library speaks to it, a problem becomes one sentence without secrets.

What may pass (no answer, a cut connection, a server in trouble) is tried three times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from audiossl.errors import AudiosslError, UsageError
from audiossl.places.urls import is_web, scrubbed, shown

PAUSES_S = (0.5, 2.0)
"""Before the second and the third try."""
_CONNECT_S, SILENT_S = 30.0, 60.0
"""Seconds to wait for a connection, and for the next bytes of an answer."""
_PACKAGES = {"smbclient": "smbprotocol", "google": "gcsfs"}
"""Whose name is not that of the module missed."""

T = TypeVar("T")


def connect(url: str) -> tuple[Any, str]:
    """The fsspec file system of `url`, and the path in it. Nothing is asked of a server yet, as a rule.

    Raises:
        UsageError: fsspec knows no such URLs, or misses a package for them.
    """
    from fsspec.core import url_to_fs

    if "::" in url:
        raise UsageError(f"{shown(url)}: URLs within URLs (::) cannot be used; unpack or copy the files first")
    scheme = url.partition("://")[0]
    try:
        system, path = url_to_fs(url, **_web_options() if is_web(url) else {})
    except ImportError as error:
        missed = getattr(error.__cause__, "name", None) or error.name or scheme
        package = _PACKAGES.get(missed.partition(".")[0], missed.partition(".")[0])
        raise UsageError(f"{shown(url)}: {package} is not installed; run: pip install {package}") from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise UsageError(f"{shown(url)}: is no URL that can be used ({scrubbed(str(error))})") from error
        known = "write s3://, gs://, https:// or a local path"
        raise UsageError(f"{shown(url)}: {scheme}:// is no protocol that fsspec knows; {known}") from error
    except Exception as error:
        raise UsageError(f"{shown(url)}: {why(error)}") from error
    return system, str(path)


def patiently(act: Callable[[], T]) -> T:
    """`act()`, tried again while what it raises may pass."""
    for pause_s in PAUSES_S:
        try:
            return act()
        except Exception as error:
            if _stays(error):
                raise
            time.sleep(pause_s)
    return act()


def is_missing(error: BaseException) -> bool:
    """Whether a server answered that there is no such thing."""
    source, status = _source(error)
    return status in (404, 410) or isinstance(source, FileNotFoundError)


def why(error: BaseException) -> str:
    """What went wrong, in words that follow the URL."""
    source, status = _source(error)
    if is_missing(error):
        return "does not exist"
    if isinstance(source, PermissionError) or status in (401, 403):
        return "is not permitted; check your credentials for it"
    if status is not None:
        answer = f"{status} {getattr(source, 'message', '')}".strip()
        return f"cannot be reached (the server answered {answer})"
    if isinstance(source, TimeoutError):
        return f"cannot be reached (no answer within {SILENT_S:g} s)"
    if type(source).__name__ == "ClientPayloadError":
        return "is cut (the connection ended before the whole file was there)"
    told = " ".join(scrubbed(str(source)).split()).rstrip(".")
    return f"cannot be reached ({told or type(source).__name__})"


def _source(error: BaseException) -> tuple[BaseException, int | None]:
    """The error of the library that spoke to the server, and the status of the answer.

    fsspec calls whatever happens to a question of HTTP a missing file.
    """
    cause = error.__cause__
    wrapped = isinstance(error, FileNotFoundError) and type(cause).__module__.startswith(("aiohttp", "asyncio"))
    source = cause if wrapped and cause is not None else error
    status = getattr(source, "status", None)
    return source, status if isinstance(status, int) else None


def _stays(error: BaseException) -> bool:
    """Whether trying again cannot help."""
    _, status = _source(error)
    if is_missing(error) or isinstance(error, AudiosslError | ImportError | PermissionError | IsADirectoryError):
        return True
    return status is not None and 400 <= status < 500 and status not in (408, 429)


def _web_options() -> dict[str, Any]:
    """No limit to the time of a whole file; one to silence."""
    try:
        from aiohttp import ClientTimeout
    except ImportError:  # which `connect` then tells, as of every other package
        return {}
    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=SILENT_S)}}

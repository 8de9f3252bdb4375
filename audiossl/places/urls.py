"""What a name is, a path or a URL, and how it may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from audiossl.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/*")
_COLLAPSED = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
"""What `Path` makes of a URL."""
_WEB = ("http", "https")
_USER = re.compile(r"^[^/@]*@")
_PASSWORD = re.compile(r"^[^/@]*:(?!\d*(?:/|$))[^@]*@")
"""`user:password@`, even with a slash in the password; not the port of `host:8080/a@b.wav`."""
_WEB_QUERY = re.compile(r"[?#].*", re.DOTALL)
_QUERY = re.compile(r"\?.*=.*", re.DOTALL)
"""Elsewhere `?` may be part of a name or a pattern."""
_ANYWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>]+")


def url_of(name: str | Path) -> str | None:
    """The URL that `name` is, or None for a local path or a `file://` URL. A slash that `Path` swallowed is back."""
    text = _restored(name)
    match = _SCHEME.match(text)
    return text if match and match[1].lower() != "file" else None


def path_of(name: str | Path) -> Path:
    """The local path that `name` is; a `file://` URL is decoded, whatever bytes it stands for.

    Raises:
        UsageError: it names a file of another host.
    """
    text = _restored(name)
    if text[:7].lower() != "file://":
        return Path(name)
    host, slash, path = text[7:].partition("/")
    if host not in ("", "localhost"):
        raise UsageError(f"{text}: names a file of the machine {host}; write file:///... for one of this machine")
    return Path(os.fsdecode(unquote_to_bytes(slash + path)))


def absolute(name: str | Path) -> str:
    """What an item of this name is called in a store: an absolute path, or a URL without its secrets.

    A path whose bytes are no text is written as its `file://` URL, which is.
    """
    if url := url_of(name):
        return shown(url)
    path = str(path_of(name).absolute())
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).as_uri()
    return path


def shown(name: str | Path) -> str:
    """`name` as stores, messages and logs may hold it: a URL without user and password, and without its query."""
    text = _restored(name)
    match = _SCHEME.match(text)
    if not match:
        return text
    rest = text[match.end() :]
    if match[1].lower() in _WEB:
        return match[0] + _WEB_QUERY.sub("", _USER.sub("", _PASSWORD.sub("", rest)))
    return match[0] + _QUERY.sub("", _PASSWORD.sub("", rest))


def scrubbed(text: str) -> str:
    """A message of another library with every URL in it as `shown`."""
    return _ANYWHERE.sub(lambda match: shown(match[0]), text)


def refuse_url(name: str | Path, what: str) -> None:
    """Raise `UsageError` where `name` is a URL, or was one before `Path`, and `what` reads local files only."""
    if (url := url_of(Path(name))) and not Path(name).exists():
        raise UsageError(
            f"{shown(url)}: {what} reads local files only; copy the sounds here first (`audiossl embed` takes URLs)"
        )


def is_web(url: str) -> bool:
    """Whether it is an address of the web, where a query is no part of a name and a folder is a page of links."""
    return url.lower().startswith(tuple(f"{scheme}://" for scheme in _WEB))


def trimmed(url: str) -> str:
    """`url` without slashes at its end, but those of `memory://`."""
    return url.rstrip("/") if not _BARE.fullmatch(url) else url.rstrip("/") + "//"


def _restored(name: str | Path) -> str:
    return name if isinstance(name, str) else _COLLAPSED.sub(r"\1://", str(name))

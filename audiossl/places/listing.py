"""What there is at a URL, and what has changed there since."""

from __future__ import annotations

import glob
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from audiossl.errors import AudiosslError, DataError, UsageError
from audiossl.places.connect import connect, is_missing, patiently, why
from audiossl.places.urls import is_web, shown, trimmed

State = tuple[int | None, int | None]
"""Bytes of an object, and a number that is another one after a change. Both None: there is no such object."""

_AT_ONCE = 16
"""Questions."""
_WORTH_LISTING = 8
"""Objects of a folder beyond which one listing is quicker than a question each."""
_TRUSTED = 256
"""Questions without any answer after which no more are asked."""
_TAGS = ("ETag", "etag", "e_tag", "md5Hash", "md5", "Content-MD5", "checksum")
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "Last-Modified", "created")


def has_pattern(url: str) -> bool:
    """Whether `url` is a pattern; a `?` of the web begins a query."""
    return glob.has_magic(shown(url).replace("?", "") if is_web(url) else shown(url))


def find(url: str, suffixes: Collection[str]) -> list[str]:
    """The URLs of all objects below the folder `url`, or that match the pattern `url`, sorted.

    Of a folder those are meant whose suffix is among `suffixes`, and no name or folder begins with a dot; `url` itself
    when it is an object. The matches of a pattern may be folders, whose objects count then.

    Raises:
        DataError: there is no such place, it cannot be read, or it holds no such object.
        UsageError: the protocol cannot be used here, or the pattern matches nothing.
    """
    base = url = url if is_web(url) else trimmed(url)
    if has_pattern(url):
        parts = url.split("/")
        base = trimmed("/".join(parts[: next(at for at, part in enumerate(parts) if has_pattern(part))]) + "/")
    system, path = connect(url)
    _, root = connect(base)
    try:
        system.invalidate_cache()
        if has_pattern(url):
            matches = patiently(partial(system.glob, path, detail=True))
            names = [name for name in matches if not _is_folder(matches[name]) and _last(name)[:1] != "."]
            folders = [name for name in matches if _is_folder(matches[name])]
        else:
            names, folders = [], [path]
        for folder in folders:
            below = patiently(partial(system.find, folder))
            if not below:
                patiently(partial(system.info, folder))  # finding passes over what cannot be read
            names += below if below == [folder] else [name for name in below if _counts(name, folder, suffixes)]
    except AudiosslError:
        raise
    except Exception as error:
        raise DataError(f"{shown(url)}: {why(error)}") from error
    if not names and has_pattern(url):
        raise UsageError(f"{shown(url)}: matches nothing; check the pattern, or quote it less")
    if not names:
        looked_for = " ".join(sorted(suffixes))
        raise DataError(f"{shown(url)}: holds no file to read; files ending in {looked_for} were looked for")
    return sorted(_again(base, root, name) for name in set(names))


def states(urls: Iterable[str]) -> dict[str, State]:
    """The state of each object; one that could not be asked for is left out."""
    folders: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        folders[url.rpartition("/")[0]].append(url)
    found: dict[str, State] = {}
    single: list[str] = []
    for folder, within in folders.items():
        if is_web(folder) or len(within) < _WORTH_LISTING:
            single += within
        else:
            found.update(_listed(folder, within))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(single), _TRUSTED):
            part = single[start : start + _TRUSTED]
            answers = [(url, state) for url, state in zip(part, pool.map(_asked, part), strict=True) if state]
            found.update(answers)
            if not answers:  # nobody is there: a hundred thousand times a minute of waiting would be weeks
                break
    return found


def _listed(folder: str, urls: Sequence[str]) -> dict[str, State]:
    system, path = connect(folder)
    try:
        system.invalidate_cache(path)
        there = {str(info["name"]).rstrip("/"): info for info in system.ls(path, detail=True)}
    except Exception as error:
        return dict.fromkeys(urls, (None, None)) if is_missing(error) else {}
    names = {url: path.rstrip("/") + "/" + url.rpartition("/")[2] for url in urls}
    return {url: _state(there[name]) if name in there else (None, None) for url, name in names.items()}


def _asked(url: str) -> State | None:
    system, path = connect(url)
    try:
        system.invalidate_cache(path)
        return _state(system.info(path))
    except Exception as error:
        return (None, None) if is_missing(error) else None


def _state(info: Mapping[str, Any]) -> State:
    """Size, and the tag or else the time of change as a number; a time is in nanoseconds since 1970."""
    if tag := next((info[name] for name in _TAGS if info.get(name)), None):
        return info.get("size"), int.from_bytes(hashlib.sha256(str(tag).encode()).digest()[:8], "big") >> 1
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(time, str):
        time = parsedate_to_datetime(time) if "," in time else datetime.fromisoformat(time.replace("Z", "+00:00"))
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return info.get("size"), None if seconds is None else round(seconds * 1e9)


def _counts(name: str, folder: str, suffixes: Collection[str]) -> bool:
    below = shown(name)[len(shown(folder)) :].split("/")
    return not any(part.startswith(".") for part in below) and PurePosixPath(below[-1]).suffix.lower() in suffixes


def _is_folder(info: Mapping[str, Any]) -> bool:
    return info.get("type") == "directory"


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _again(base: str, root: str, name: str) -> str:
    """The URL of an object called `name` by its file system, in the words of the user's own URL."""
    if is_web(base):
        return name
    inner = name.strip("/")[len(root.strip("/")) :].lstrip("/")
    return f"{base}{'' if base.endswith('/') or not inner else '/'}{inner}"

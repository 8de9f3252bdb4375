"""Looking at folders: which sounds or pictures there are, and whether the files of a table are among them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import get_args

from audiossl.errors import DataError
from audiossl.modality import MODALITIES, Kind

SUFFIXES: dict[Kind, frozenset[str]] = {kind: MODALITIES[kind].suffixes for kind in get_args(Kind)}


def find_sounds(path: str | Path) -> list[Path]:
    """`find_files` of sounds."""
    return find_files(path, "audio")


def find_files(path: str | Path, modality: Kind) -> list[Path]:
    """Every file of a modality in `path` and below, by its suffix, sorted; `path` itself when it is a file.

    Names that begin with a dot are left out (`.git`, and the `._x.wav` that a Mac leaves behind). Links to folders
    are followed, each folder once.

    Raises:
        DataError: there is no such place, it cannot be read, or it holds no such file.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            if not path.exists():
                raise DataError(
                    f"{path}: does not exist; give a folder, a {MODALITIES[modality].noun} file, a CSV or a manifest"
                )
            return [path]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    return [path / name for name in find_names(path, modality)]


def find_names(path: Path, modality: Kind) -> list[str]:
    """As `find_files`, for a folder: each file's name relative to it, with `/`."""
    found = _names(path, SUFFIXES[modality])
    if not found:
        others = [(len(names), MODALITIES[other].noun) for other, names in all_names(path).items() if names]
        but = "".join(f" but {count:,} {noun} file{'s' * (count > 1)}" for count, noun in others)
        raise DataError(f"{path}: holds no {MODALITIES[modality].noun} file{but}; {_looked_for(modality)}")
    return found


def all_names(path: Path) -> dict[Kind, list[str]]:
    """The names in a folder and below, sorted, by what they are (raises `DataError`)."""
    return {modality: _names(path, suffixes) for modality, suffixes in SUFFIXES.items()}


def _names(path: Path, suffixes: frozenset[str]) -> list[str]:
    try:
        return sorted(_walk(path, "", suffixes, set()), key=lambda name: name.split("/"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def modality_there(path: Path) -> Kind:
    """What a folder or file holds: of what there is more, and sounds where there is as much of both.

    Raises:
        DataError: the folder holds nothing of any modality, or cannot be read.
    """
    if not path.is_dir():
        return _modality(path.name) or "audio"
    found = modality_of_names(name for names in all_names(path).values() for name in names)
    if found is None:
        kinds = " and ".join(f"no {modality.noun} file" for modality in MODALITIES.values())
        raise DataError(f"{path}: holds {kinds}; {_looked_for(*SUFFIXES)}")
    return found


def modality_of_names(names: Iterable[str]) -> Kind | None:
    """What most of the names are by their suffixes, as `modality_there`; None where no suffix is known."""
    counts: dict[Kind, int] = dict.fromkeys(SUFFIXES, 0)
    for name in names:
        modality = _modality(name)
        if modality is not None:
            counts[modality] += 1
    most = max(counts, key=counts.__getitem__)
    return most if counts[most] else None


def _modality(name: str) -> Kind | None:
    suffix = PurePosixPath(name).suffix.lower()
    return next((modality for modality, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def _looked_for(*modalities: Kind) -> str:
    suffixes = [suffix for modality in modalities for suffix in sorted(SUFFIXES[modality])]
    return f"files ending in {' '.join(suffixes)} were looked for"


def _walk(root: Path, folder: str, suffixes: frozenset[str], seen: set[tuple[int, int]]) -> Iterator[str]:
    """Relative names; `seen` holds the folders already visited, so a link in a circle ends."""
    here = root / folder
    status = here.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(here) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith("."):
                continue
            name = f"{folder}{entry.name}"
            if _is_dir(entry):
                yield from _walk(root, f"{name}/", suffixes, seen)
            elif PurePosixPath(entry.name).suffix.lower() in suffixes:
                yield name


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself
        return False


_HINTS = 10
"""Looking for the nearest of many names is slow, and of many faults only a few are read."""


class Presence:
    """Whether relative paths are files under a root, by listing each folder once instead of asking for each file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hints = _HINTS
        self._real_root = os.path.realpath(root)
        self._folders: dict[str, dict[str, bool] | str] = {}

    def fault(self, path: str, *, hint: bool = True) -> str | None:
        """What is wrong with `path`, in words that follow its name, or None; of the first few with the nearest name."""
        if path.startswith(("/", "\\", "~")) or "\0" in path or (os.name == "nt" and ":" in path):
            return "is not a relative path; write it relative to the data folder"
        parts = path.split("/")
        if ".." in parts:
            return "leaves the data folder; write a path inside it"
        folder, _, name = path.rpartition("/")
        listed = self._listing(folder)
        if isinstance(listed, str):
            return listed
        if name not in listed:
            self._hints -= hint
            near = _nearest(name, list(listed)) if hint and self._hints >= 0 else None
            return "not found" + (f"; nearest file `{f'{folder}/{near}' if folder else near}`" if near else "")
        if listed[name] and not self._inside(self._root / path):
            return "is a link that leaves the data folder; give --data the folder that holds both"
        return None

    def _listing(self, folder: str) -> dict[str, bool] | str:
        """Names in a folder and whether each is a link, or what is wrong with the folder."""
        if folder not in self._folders:
            self._folders[folder] = self._list(folder)
        return self._folders[folder]

    def _list(self, folder: str) -> dict[str, bool] | str:
        here = self._root / folder
        if folder and not self._inside(here):
            return "is behind a link that leaves the data folder; give --data the folder that holds both"
        try:
            with os.scandir(here) as entries:
                return {entry.name: entry.is_symlink() for entry in entries}
        except (OSError, ValueError):
            return f"not found; there is no folder `{folder}` in {self._root}"

    def _inside(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return real == self._real_root or real.startswith(self._real_root.rstrip(os.sep) + os.sep)


def _nearest(name: str, names: list[str]) -> str | None:
    for other in names:
        if other.casefold() == name.casefold():
            return other
    near = get_close_matches(name, names[:20_000], n=1)
    return near[0] if near else None

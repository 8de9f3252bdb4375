"""Clips ready to be cropped: decoded once into one file on disk, or decoded file by file when asked for.

Both sources give the *prepared* clip: a sound mono at the front end's rate, after its whole-clip step, with the context
its frames need at both ends; a picture as the square that the front end wants. Shapes: S stored values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiossl.errors import DataError, MediaError
from audiossl.files import atomic_path, write_json

Samples = NDArray[Any]
"""float32 samples of a sound, or uint8 values of a picture."""
PEAK = 32767


@dataclass(frozen=True)
class Failure:
    """A clip that could not be read: its place in the table, its path, and why."""

    index: int
    path: str
    cause: str


class ClipSource(Protocol):
    """Where crops come from."""

    def __len__(self) -> int:
        """How many clips there are."""

    def length(self, index: int) -> int:
        """Samples of the prepared clip `index`; 0 when it cannot be read."""

    def read(self, index: int, start: int, length: int) -> Samples:
        """Samples [start, start + length) of the prepared clip; raises `MediaError`."""


_STORED = {"float32": "i16", "uint8": "u8"}
"""How prepared values lie on disk: floats as 16-bit PCM scaled to the clip's own peak, bytes as they are."""


class DecodedStore:
    """Every clip once, in one memory-mapped file.

    Args:
        folder: holds `samples.i16` or `samples.u8` and `index.json`, as `DecodedStore.make` left them.
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "index.json").read_text())
        self.failures = [Failure(**failure) for failure in index["failures"]]
        self._offsets = np.asarray(index["offsets"], dtype=np.int64)
        self._scales = np.asarray(index["scales"], dtype=np.float32) if index["scales"] else None
        self._path = folder / f"samples.{'i16' if index['scales'] else 'u8'}"
        self._open()

    def _open(self) -> None:
        dtype = np.uint8 if self._scales is None else np.int16
        self._samples: NDArray[Any] = np.memmap(self._path, dtype=dtype, mode="r")

    def __getstate__(self) -> dict[str, Any]:
        # A pickled memory map would carry the whole file to every loader process.
        return {name: value for name, value in vars(self).items() if name != "_samples"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def length(self, index: int) -> int:
        """Samples of clip `index`; 0 when it could not be read."""
        return int(self._offsets[index + 1] - self._offsets[index])

    def read(self, index: int, start: int, length: int) -> Samples:
        """Values [start, start + length) of clip `index`: float32, or uint8 as they were stored."""
        first = self._offsets[index] + start
        stored: Samples = self._samples[first : first + length]
        return np.array(stored) if self._scales is None else stored * self._scales[index]

    @classmethod
    def make(
        cls,
        folder: Path,
        paths: Sequence[Path],
        prepared: Callable[[int], Samples],
        *,
        dtype: str = "float32",
        threads: int = 2,
        tick: Callable[[int], None] = lambda done: None,
    ) -> DecodedStore:
        """Decode every clip with `prepared(index)`, which gives `dtype`, or open what an earlier run left in `folder`.

        A clip that raises `MediaError` is listed in `failures` and has length 0; the others are not affected.
        """
        if not (folder / "index.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            offsets, scales, failures = [0], [], []
            with atomic_path(folder / f"samples.{_STORED[dtype]}") as part, part.open("wb") as file:
                for index, result in enumerate(_in_order(prepared, range(len(paths)), threads)):
                    if isinstance(result, MediaError):
                        failures.append(Failure(index, str(paths[index]), result.cause))
                        result = np.zeros(0, dtype)
                    if dtype == "float32":
                        scales.append(float(np.abs(result).max(initial=0.0)) / PEAK or 1.0)
                        file.write(np.rint(result / scales[-1]).astype(np.int16).tobytes())
                    else:
                        file.write(result.tobytes())
                    offsets.append(offsets[-1] + len(result))
                    tick(index + 1)
                if not offsets[-1]:
                    file.write(b"\0\0")
            listed = [vars(failure) for failure in failures]
            write_json(folder / "index.json", {"offsets": offsets, "scales": scales, "failures": listed})
        return cls(folder)


class FileSource:
    """Clips decoded when they are asked for: for data too large to decode in advance.

    Args:
        prepared: the whole prepared clip of an index; raises `MediaError`.
        lengths: prepared lengths in samples, from the files' headers; 0 for a file that cannot be read.
        failures: the files that cannot be read.
    """

    def __init__(
        self, prepared: Callable[[int], Samples], lengths: Sequence[int], failures: Sequence[Failure] = ()
    ) -> None:
        self._prepared, self._lengths, self.failures = prepared, lengths, list(failures)
        self._last: tuple[int, Samples] | None = None

    def __len__(self) -> int:
        return len(self._lengths)

    def length(self, index: int) -> int:
        """Samples of clip `index` as its header promises; 0 when it cannot be read."""
        return self._lengths[index]

    def read(self, index: int, start: int, length: int) -> Samples:
        """Samples [start, start + length) of clip `index`; raises `MediaError`."""
        if self._last is None or self._last[0] != index:
            self._last = index, self._prepared(index)
        samples = self._last[1][start : start + length]
        if len(samples) < length:
            raise MediaError(f"clip {index}", f"has {len(samples)} samples where its header promised {length}")
        return samples


def store_key(paths: Sequence[Path], spans: Iterable[tuple[Any, Any]], recipe_part: str) -> str:
    """A name for the decoded form of `paths`: changes when a file's size or time, or the front end, does."""
    digest = blake2b(recipe_part.encode(), digest_size=12)
    for path, span in zip(paths, spans, strict=True):
        try:
            stat = path.stat()
        except OSError:
            digest.update(f"{path}|missing\n".encode())
            continue
        digest.update(f"{path}|{span}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def usable(source: ClipSource) -> NDArray[np.int64]:
    """Indices of the clips that can be read.

    Raises:
        DataError: there is none.
    """
    found = np.array([index for index in range(len(source)) if source.length(index)], dtype=np.int64)
    if not len(found):
        raise DataError("none of the clips can be read; `audiossl data check` lists why")
    return found


def _in_order(work: Callable[[int], Samples], indices: range, threads: int) -> Iterable[Samples | MediaError]:
    """Results in the order of `indices`, computed ahead by a few threads; an `MediaError` is given, not raised."""

    def attempt(index: int) -> Samples | MediaError:
        try:
            return work(index)
        except MediaError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        ahead = 8 * threads
        waiting = [pool.submit(attempt, index) for index in indices[:ahead]]
        for position in range(len(indices)):
            yield waiting.pop(0).result()
            if position + ahead < len(indices):
                waiting.append(pool.submit(attempt, indices[position + ahead]))

"""The index of a folder of embeddings: what made them, and which shards are whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from audiossl.errors import DataError
from audiossl.places import folder as places
from audiossl.places.folder import Place, Remote

FORMAT = 1
INDEX = "index.json"

Kind = Literal["clips", "windows"]
KINDS: tuple[Kind, Kind] = ("clips", "windows")


@dataclass(frozen=True)
class Part:
    """One file of a shard, as the index knows it."""

    file: str
    rows: int
    bytes: int
    sha256: str


Shard = dict[Kind, Part]

_FIRST_COLUMNS = {
    "duration_s": "float64",
    "sample_rate": "int32",
    "short": "bool",
    "silent": "bool",
    "nonfinite": "int64",
}
"""What stores tell of a file that were made before an index said so itself; they are all of sounds."""


def read_index(folder: Place) -> dict[str, Any]:
    """The index of the store in `folder` (raises `DataError`: there is none, or it is damaged)."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        index["shards"] = [{kind: Part(**shard[kind]) for kind in KINDS} for shard in index["shards"]]
        newer = int(index["format"]) > FORMAT
    except FileNotFoundError as error:
        raise DataError(f"{folder}: holds no embeddings (no {INDEX}); make them with `audiossl embed`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is damaged ({error}); delete the folder and embed again") from error
    if newer:
        raise DataError(f"{path}: made by audiossl {index.get('audiossl')}; install that version or newer")
    return {"columns": _FIRST_COLUMNS, **index}


def write_index(folder: Place, index: Mapping[str, Any], shards: Sequence[Shard]) -> None:
    """Put down which shards are whole: the one moment at which they become part of the store."""
    plain = [{kind: vars(part) for kind, part in shard.items()} for shard in shards]
    places.write_json(folder / INDEX, {**index, "format": FORMAT, "shards": plain})


def is_whole(folder: Place, shard: Shard) -> bool:
    """Whether both files of a shard are, byte for byte, what was written.

    Elsewhere only their size is asked for: an object is put there whole or not at all, and reading all would be long.
    """
    return all(_is_whole(folder / part.file, part) for part in shard.values())


def _is_whole(path: Place, part: Part) -> bool:
    if isinstance(path, Remote):
        return path.size() == part.bytes
    return path.is_file() and path.stat().st_size == part.bytes and places.sha256(Path(path)) == part.sha256

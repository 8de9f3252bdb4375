"""The folder of embeddings: Parquet shards, and an index that says which of them are whole.

    index.json             the model's sha256, every parameter, and each finished shard with its size and sha256
    clips-00000.parquet    one row per file (or part of one): what it is, what was met, its embedding
    windows-00000.parquet  one row per window: where it is in the file, its embedding
    failures.csv           what could not be embedded, and why

Promise: a shard that the index names is whole, and both its files are there; whatever the index does not name is left
over from a killed run and is no part of the store. Nothing in it is NaN. `clips` and `windows` meet in (`path`,
`item_start_s`): path is absolute, `item_start_s` and `item_end_s` are null for a whole file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from audiossl import files
from audiossl.bundle.bundle import Array
from audiossl.errors import DataError

FORMAT = 1
INDEX = "index.json"

Kind = Literal["clips", "windows"]
KINDS: tuple[Kind, Kind] = ("clips", "windows")

_ITEM = [
    ("id", pa.string()),
    ("path", pa.string()),
    ("item_start_s", pa.float64()),
    ("item_end_s", pa.float64()),
    ("labels", pa.list_(pa.string())),
    ("split", pa.string()),
    ("fold", pa.int32()),
    ("group", pa.string()),
]
_OWN: dict[Kind, list[tuple[str, pa.DataType]]] = {
    "clips": [
        ("duration_s", pa.float64()),
        ("sample_rate", pa.int32()),
        ("short", pa.bool_()),
        ("silent", pa.bool_()),
        ("nonfinite", pa.int64()),
        ("windows", pa.int64()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
    ],
    "windows": [("start_s", pa.float64()), ("end_s", pa.float64())],
}


def schema(kind: Kind, embedding_dim: int) -> pa.Schema:
    """The columns of a table of the store; `embedding` is a list of `embedding_dim` float32."""
    return pa.schema([*_ITEM, *_OWN[kind], ("embedding", pa.list_(pa.float32(), embedding_dim))])


@dataclass(frozen=True)
class Part:
    """One file of a shard, as the index knows it."""

    file: str
    rows: int
    bytes: int
    sha256: str


Shard = dict[Kind, Part]


def read_index(folder: Path) -> dict[str, Any]:
    """The index of the store in `folder` (raises `DataError`: there is none, or it is damaged)."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_text("utf-8"))
        index["shards"] = [{kind: Part(**shard[kind]) for kind in KINDS} for shard in index["shards"]]
        newer = int(index["format"]) > FORMAT
    except FileNotFoundError as error:
        raise DataError(f"{folder}: holds no embeddings (no {INDEX}); make them with `audiossl embed`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is damaged ({error}); delete the folder and embed again") from error
    if newer:
        raise DataError(f"{path}: made by audiossl {index.get('audiossl')}; install that version or newer")
    return dict(index)


def write_index(folder: Path, index: Mapping[str, Any], shards: Sequence[Shard]) -> None:
    """Put down which shards are whole: the one moment at which they become part of the store."""
    plain = [{kind: vars(part) for kind, part in shard.items()} for shard in shards]
    files.write_json(folder / INDEX, {**index, "format": FORMAT, "shards": plain})


def write_shard(folder: Path, number: int, tables: Mapping[Kind, pa.Table]) -> Shard:
    """Write the files of shard `number`; it counts once the index names it (raises `WriteError`)."""
    shard: Shard = {}
    for kind, table in tables.items():
        path = folder / f"{kind}-{number:05d}.parquet"
        files.write_with(path, partial(pq.write_table, table, compression="zstd"), needs_bytes=2 * table.nbytes)
        shard[kind] = Part(path.name, table.num_rows, path.stat().st_size, _sha256(path))
    return shard


def is_whole(folder: Path, shard: Shard) -> bool:
    """Whether both files of a shard are, byte for byte, what was written."""
    for part in shard.values():
        path = folder / part.file
        if not path.is_file() or path.stat().st_size != part.bytes or _sha256(path) != part.sha256:
            return False
    return True


class Store:
    """Reads a folder of embeddings. `open_store` makes it.

    Attributes:
        folder: where it is.
        about: the index: `model` (its sha256 and description), `parameters`, `embedding_dim`, versions.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = read_index(folder)
        self._shards: list[Shard] = self.about.pop("shards")

    @property
    def embedding_dim(self) -> int:
        """D."""
        return int(self.about["embedding_dim"])

    def table(self, kind: Kind = "clips", columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of `clips` or `windows`, sorted by path and time, so that how they were made leaves no trace.

        Raises:
            DataError: a shard that the index names is gone or damaged.
        """
        wanted = schema(kind, self.embedding_dim)
        order = [("path", "ascending"), ("item_start_s", "ascending"), ("item_end_s", "ascending")]
        order += [("start_s", "ascending")] if kind == "windows" else []
        names = wanted.names if columns is None else list(dict.fromkeys([*columns, *(name for name, _ in order)]))
        tables = [self._read(shard[kind], names) for shard in self._shards]
        empty = pa.schema([wanted.field(name) for name in names]).empty_table()
        table = pa.concat_tables([empty, *tables]).sort_by(order)
        return table if columns is None else table.select(list(columns))

    def clips(self) -> pa.Table:
        """One row per file."""
        return self.table("clips")

    def embeddings(self, kind: Kind = "clips") -> Array:
        """The embeddings (N, D) float32 of `table(kind)`, row for row."""
        column = self.table(kind, ["embedding"]).column("embedding").combine_chunks()
        flat: Array = column.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, self.embedding_dim)

    def _read(self, part: Part, columns: list[str]) -> pa.Table:
        try:
            return pq.read_table(self.folder / part.file, columns=columns)
        except (OSError, pa.ArrowException) as error:
            problem = f"{self.folder / part.file}: is gone or damaged"
            raise DataError(f"{problem}; run the same `audiossl embed` again, which makes it anew") from error


def open_store(folder: str | Path) -> Store:
    """The embeddings in `folder` (raises `DataError`: there are none, or the index is damaged)."""
    return Store(Path(folder))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

"""A store's rows as files that other tools read, sorted by path and time.

    npz           `embedding` (N, D) and each column (N,), for `numpy.load` without pickle
    npy           `embedding` (N, D), and its columns beside it in `NAME.columns.csv`, row for row
    csv           the columns, then e0 to e(D-1)
    hf-dataset    a folder for `datasets.load_dataset(FOLDER)`: Parquet by split, and a card

Files appear whole or not at all. Embeddings are never all in memory (see `Embeddings.in_order`). In csv and npz, where
a cell is one text, several labels are joined by `;`; what is not known is empty in csv, and "", NaN or -1 in npz.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from audiossl import files
from audiossl.embedding.store import Kind, open_store
from audiossl.embedding.view import Embeddings
from audiossl.errors import DataError, UsageError
from audiossl.progress import Progress, Silent

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array

Format = Literal["npz", "npy", "csv", "hf-dataset"]
FORMATS: tuple[Format, ...] = ("npz", "npy", "csv", "hf-dataset")

SEPARATOR = ";"
VALUES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Exported:
    """What was written."""

    paths: list[Path]
    rows: int
    embedding_dim: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "paths": [str(path) for path in self.paths]}


def export(
    source: str | Path | Embeddings,
    out: str | Path,
    *,
    to: Format,
    kind: Kind = "clips",
    progress: Progress | None = None,
) -> Exported:
    """Write the rows of a store, or of a view of one, to `out` in another format.

    Args:
        source: the store's folder, or what `audiossl.embeddings.open(...)` and `where` give.
        out: the file, or with `hf-dataset` a new folder.
        to: the format.
        kind: which rows of a folder; a view has its own.
        progress: told about the rows.

    Raises:
        UsageError: an unknown format, or `out` is a folder that is there already.
        DataError: there is no store, it is empty or damaged, or a label cannot be put into the format.
        WriteError: the place cannot be written or the disk is full.
    """
    view = source if isinstance(source, Embeddings) else Embeddings(open_store(source), kind)
    if to not in FORMATS:
        raise UsageError(f"there is no format {to}; write one of: {', '.join(FORMATS)}")
    if not len(view):
        raise DataError(f"{view.store.folder}: the store is empty; failures.csv in it says what failed")
    out, progress = Path(out), progress or Silent()
    if to == "hf-dataset":
        from audiossl.embedding.export_hf import write_dataset as write

        if out.exists():
            raise UsageError(f"{out} is there already; give the name of a new folder")
    else:
        write = {"npz": _npz, "npy": _npy, "csv": _csv}[to]
        if out.is_dir():
            raise UsageError(f"{out} is a folder; give the name of the file, such as {out / f'embeddings.{to}'}")
    progress.start("exporting", len(view), "rows")
    try:
        with view.in_order() as x_ND:
            return Exported(write(view, x_ND, out, progress), len(view), view.embedding_dim)
    finally:
        progress.close()


def blocks(x_ND: Array, progress: Progress) -> Iterator[tuple[int, Array]]:
    """The first row and the values of a few megabytes of rows at a time."""
    step = max(1, VALUES_AT_ONCE // x_ND.shape[1])
    for start in range(0, len(x_ND), step):
        x_nD = x_ND[start : start + step]
        yield start, x_nD
        progress.advance(len(x_nD))


def _npz(view: Embeddings, x_ND: Array, out: Path, progress: Progress) -> list[Path]:
    columns = _flat(view)
    with files.atomic_path(out, needs_bytes=x_ND.nbytes) as part, zipfile.ZipFile(part, "w") as archive:
        with archive.open("embedding.npy", "w", force_zip64=True) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": x_ND.shape}
            np.lib.format.write_array_header_2_0(file, header)
            for _, x_nD in blocks(x_ND, progress):
                file.write(np.ascontiguousarray(x_nD, "<f4").data)
        for name in columns.column_names:
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED  # texts of one width are mostly padding
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, _plain(columns.column(name)), allow_pickle=False)
    return [out]


def _npy(view: Embeddings, x_ND: Array, out: Path, progress: Progress) -> list[Path]:
    table = out.with_suffix(".columns.csv")
    columns = _flat(view)
    with files.atomic_path(out, needs_bytes=x_ND.nbytes) as part:
        mapped = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=x_ND.shape)
        for start, x_nD in blocks(x_ND, progress):
            mapped[start : start + len(x_nD)] = x_nD
        mapped.flush()
        files.write_with(table, lambda path: csv.write_csv(columns, path))
    return [out, table]


def _csv(view: Embeddings, x_ND: Array, out: Path, progress: Progress) -> list[Path]:
    columns = _flat(view)
    names = [f"e{dimension}" for dimension in range(view.embedding_dim)]
    wanted = pa.schema([*columns.schema, *(pa.field(name, pa.float32()) for name in names)])
    with files.atomic_path(out) as part, csv.CSVWriter(part, wanted) as writer:
        for start, x_nD in blocks(x_ND, progress):
            values = [pa.array(column) for column in np.ascontiguousarray(x_nD.T)]
            known = columns.slice(start, len(x_nD)).combine_chunks()
            writer.write_table(pa.Table.from_arrays([*known.columns, *values], schema=wanted))
    return [out]


def _flat(view: Embeddings) -> pa.Table:
    """The columns beside the embedding, with the labels of a row as one text."""
    table = view.table(view.columns)
    labels = table.column("labels").combine_chunks()
    refuse_separators(labels.flatten().unique().to_pylist(), view)
    joined = pc.fill_null(pc.binary_join(labels, SEPARATOR), "")
    return table.set_column(table.column_names.index("labels"), "labels", joined)


def refuse_separators(labels: Sequence[str], view: Embeddings) -> None:
    """Raise `DataError` for a label that could not be told from two."""
    for label in labels:
        if SEPARATOR in label:
            raise DataError(
                f"{view.store.folder}: the label {label!r} holds the {SEPARATOR!r} that separates labels in a cell; "
                "export to hf-dataset, which keeps lists"
            )


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    """An array of text, floats, integers or bools, which numpy reads without pickle."""
    if pa.types.is_string(column.type):
        return np.array(pc.fill_null(column, "").to_pylist(), dtype=np.str_)
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), np.float64)
    return np.asarray(pc.fill_null(column, False if pa.types.is_boolean(column.type) else -1).to_numpy())

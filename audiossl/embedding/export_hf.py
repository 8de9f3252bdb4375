"""A folder in the layout of the Hugging Face Hub: Parquet by split, and a card that names the files.

`datasets.load_dataset(FOLDER)` opens it; so does everything else that reads Parquet. Nothing here needs `datasets`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audiossl import files
from audiossl.embedding.store import Rows
from audiossl.embedding.view import Embeddings
from audiossl.errors import WriteError
from audiossl.progress import Progress

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array

VALUES_AT_ONCE = 1 << 22
ALL = "train"
"""The split of rows without one, as the Hub calls data that nobody has split."""


def write_dataset(view: Embeddings, x_ND: Array, out: Path, progress: Progress) -> list[Path]:
    """Write `out/data/SPLIT.parquet` for each split and `out/README.md`; the caller knows that `out` is new."""
    columns = view.table(view.columns)
    splits = _splits(columns)
    part = out.with_name(f".{out.name}{files.PART_SUFFIX}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / "data").mkdir(parents=True)
        for split, rows in splits.items():
            files.write_with(
                part / "data" / f"{split}.parquet", partial(_write_split, view, x_ND, columns, rows, progress)
            )
        files.write_text(part / "README.md", _card(view, {split: len(rows) for split, rows in splits.items()}))
        part.replace(out)
    except OSError as error:
        raise WriteError(f"{out}: cannot be written ({error.strerror or error}); choose another place") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return [out]


def _write_split(view: Embeddings, x_ND: Array, columns: pa.Table, rows: Rows, progress: Progress, path: Path) -> None:
    wanted = view.store.schema(view.kind)
    step = max(1, VALUES_AT_ONCE // view.embedding_dim)
    with pq.ParquetWriter(path, wanted, compression="zstd") as writer:
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            lists = pa.FixedSizeListArray.from_arrays(pa.array(x_ND[chosen].reshape(-1)), view.embedding_dim)
            writer.write_table(columns.take(chosen).append_column(wanted.field("embedding"), lists))
            progress.advance(len(chosen))


def _splits(columns: pa.Table) -> dict[str, Rows]:
    """The rows of each split, by a name that the Hub allows."""
    names = [re.sub(r"\W+", "_", name) if name else ALL for name in columns.column("split").to_pylist()]
    distinct, where = np.unique(np.array(names), return_inverse=True)
    return {str(name): np.flatnonzero(where == at) for at, name in enumerate(distinct)}


def _card(view: Embeddings, counts: Mapping[str, int]) -> str:
    """`README.md`: which file is which split, for machines, and what the numbers are, for people."""
    about = view.store.about
    listed = "".join(f"  - split: {split}\n    path: data/{split}.parquet\n" for split in counts)
    parameters = "".join(f"| {name} | {value} |\n" for name, value in about["parameters"].items())
    rows = ", ".join(f"{count:,} in {split}" for split, count in counts.items())
    return (
        f"---\ntags:\n- {view.store.modality.name}\n- embeddings\n"
        f"configs:\n- config_name: {view.kind}\n  data_files:\n{listed}---\n\n"
        f"# Embeddings of {len(view):,} {view.kind}\n\n"
        f"Rows: {rows}. Column `embedding`: {view.embedding_dim} float32. Made by audiossl {about.get('audiossl')} "
        f"with an encoder of recipe `{about['model'].get('recipe')}`.\n\n"
        f"| parameter | value |\n|---|---|\n{parameters}"
    )

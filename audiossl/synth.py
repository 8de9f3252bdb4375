"""What made-up sounds and made-up pictures share: who is of which class, group and fold, and how a set is written.

Classes come in turn. Two takes of one source share what the source draws, and are one group of one fold.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from audiossl import files
from audiossl.rng import numpy_stream

if TYPE_CHECKING:
    import numpy as np

TABLE = "metadata.csv"
"""Written last, so that it is there only when all examples are."""
FOLDS = 5
TAKES = 2


class Row(NamedTuple):
    """An example's line in the table."""

    file_name: str
    label: str
    fold: int
    group: str


class Slot(NamedTuple):
    """Example number `index` before it is made: its row, and what its source and it alone draw from."""

    row: Row
    source: np.random.Generator
    take: np.random.Generator


def slot(index: int, seed: int, labels: Sequence[str], suffix: str) -> Slot:
    """A pure function of its arguments; `suffix` is of the file, `.wav`."""
    label = labels[index % len(labels)]
    source, take = divmod(index // len(labels), TAKES)
    fold = 1 + source % FOLDS
    row = Row(f"{label}/{fold}-{source:03d}-{'AB'[take]}{suffix}", label, fold, f"{label}-{source}")
    return Slot(row, numpy_stream(seed, "source", label, source), numpy_stream(seed, "take", index))


def write_set(folder: str | Path, n: int, make: Callable[[int], tuple[Row, bytes]]) -> Path:
    """Write `n` examples and then the table of them.

    Args:
        folder: the files go to `folder/LABEL/`.
        n: how many; with a multiple of 120 each of twelve classes has as many in each fold.
        make: from the number of an example to its row and its file's content.

    Returns:
        `folder/metadata.csv` (`file_name,label,fold,group`).

    Raises:
        WriteError: the disk is full, or the place cannot be written.
    """
    folder = Path(folder)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Row._fields)
    for index in range(n):
        row, content = make(index)
        files.write_bytes(folder / row.file_name, content)
        table.writerow(row)
    files.write_text(folder / TABLE, text.getvalue())
    return folder / TABLE

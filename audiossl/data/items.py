"""A data set as a table: one row per example, whatever manifest, CSV or folder it came from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audiossl.data.targets import Target
from audiossl.errors import DataError

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("path", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("labels", pa.list_(pa.string())),
        ("split", pa.string()),
        ("fold", pa.int32()),
        ("group", pa.string()),
        ("text", pa.string()),
        (
            "events",
            pa.list_(pa.struct([("onset_s", pa.float64()), ("offset_s", pa.float64()), ("label", pa.string())])),
        ),
    ]
)


class Event(NamedTuple):
    """A labelled stretch of an example, in seconds from the example's start."""

    onset_s: float
    offset_s: float
    label: str


class Item(NamedTuple):
    """One example. `path` is relative to the root, with `/`; start and end are seconds, or None for the whole file.

    `text` says in words what is heard; `labels` of a row with `events` are the distinct labels of these.
    """

    id: str
    path: str
    start_s: float | None = None
    end_s: float | None = None
    labels: Sequence[str] = ()
    split: str | None = None
    fold: int | None = None
    group: str | None = None
    text: str | None = None
    events: Sequence[Event] = ()


@dataclass(frozen=True)
class Design:
    """How a data set wants to be scored: the task of its manifest, and what is told from the rows where it is silent.

    Attributes:
        task: its name in the manifest.
        target: what is to be predicted; told from the labels when None.
        by: what parts the rows into rounds of training and test: their folds, their splits, or each group in turn as
            the test; when None folds, or else splits, where there are any.
        train, valid, test: the splits of each side, where `by` is "split"; all that is neither valid nor test
            trains when `train` is None. Rows of `valid` choose, and are never trained on.
        metric: the data set's own, shown first; the protocol's first one when None.
    """

    task: str = ""
    target: Target | None = None
    by: Literal["fold", "split", "group"] | None = None
    train: tuple[str, ...] | None = None
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ("test",)
    metric: str | None = None


@dataclass(frozen=True)
class Items:
    """A frozen table of examples (columns: `SCHEMA`).

    Attributes:
        table: the rows, in the order of the source.
        root: the folder that every path is relative to.
        name: of the manifest, CSV or folder.
        crossing_groups: how many groups the official folds are known to cut apart (4 in ESC-50).
        design: how the rows are scored.
        left_out: how many rows of a copy known to be partial have no file, and are not here.
    """

    table: pa.Table
    root: Path
    name: str = "items"
    crossing_groups: int = 0
    design: Design = Design()
    left_out: int = 0

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Item],
        root: Path,
        *,
        name: str = "items",
        crossing_groups: int = 0,
        design: Design | None = None,
    ) -> Items:
        """A table of `rows` (raises `DataError` for a name that is not valid Unicode)."""
        columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
        events = SCHEMA.get_field_index("events")
        columns[events] = tuple([event._asdict() for event in row] for row in columns[events])
        try:
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        except UnicodeEncodeError as error:
            raise DataError(f"{root}: the file name {error.object!r} is not valid UTF-8; rename it") from error
        table = pa.Table.from_arrays(arrays, schema=SCHEMA)
        return cls(table, root, name, crossing_groups, design or Design())

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> list[Any]:
        """One column as Python values."""
        values: list[Any] = self.table.column(name).to_pylist()
        return values

    def rows(self) -> Iterable[Item]:
        """The rows one by one."""
        columns = {name: self.column(name) for name in SCHEMA.names} | {"events": self.events()}
        return map(Item._make, zip(*columns.values(), strict=True))

    def events(self) -> list[tuple[Event, ...]]:
        """Each row's labelled stretches."""
        return [tuple(Event(**event) for event in row) for row in self.column("events")]

    def paths(self) -> list[Path]:
        """Each example's file, with the root."""
        return [self.root / path for path in self.column("path")]

    def take(self, indices: Sequence[int]) -> Items:
        """The rows at `indices`, in that order."""
        return replace(self, table=self.table.take(pa.array(indices, pa.int64())))

    def where(self, *, splits: Collection[str] | None = None, folds: Collection[int] | None = None) -> Items:
        """The rows of these splits and folds; None is all.

        Raises:
            DataError: a split or fold that no row has.
        """
        chosen = self
        for name, wanted in (("split", splits), ("fold", folds)):
            if wanted is None:
                continue
            known = self._distinct(name)
            for value in wanted:
                if value not in known:
                    there = ", ".join(map(str, known)) or "none"
                    raise DataError(f"{self.name}: there is no {name} {value}; write one of: {there}")
            mask = pc.is_in(chosen.table.column(name), pa.array(list(wanted), SCHEMA.field(name).type))
            chosen = replace(chosen, table=chosen.table.filter(mask))
        return chosen

    @property
    def has_labels(self) -> bool:
        """Whether any row has a label."""
        return any(self.column("labels"))

    @property
    def multilabel(self) -> bool:
        """Whether any row has more than one label."""
        return any(len(labels) > 1 for labels in self.column("labels"))

    @property
    def classes(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted({label for labels in self.column("labels") for label in labels})

    def label_list(self) -> list[str | None]:
        """Each row's one label, or None.

        Raises:
            DataError: a row has several labels.
        """
        for row, labels in zip(self.column("id"), self.column("labels"), strict=True):
            if len(labels) > 1:
                raise DataError(f"{self.name}: {row} has {len(labels)} labels, but one per example is needed here")
        return [labels[0] if labels else None for labels in self.column("labels")]

    def splits(self) -> list[str]:
        """The distinct splits, sorted."""
        return self._distinct("split")

    def folds(self) -> list[int]:
        """The distinct folds, sorted."""
        return self._distinct("fold")

    def groups(self) -> list[str | None]:
        """Each row's group: rows of one group (a recording, a speaker) must stay on one side of every split."""
        return self.column("group")

    @property
    def split_hash(self) -> str:
        """SHA-256 over the sorted (id, split, fold): equal for two results that are on the same split.

        Where the design tests each group in turn, over the groups too; where it names splits, over these names.
        """
        keys = zip(self.column("id"), self.column("split"), self.column("fold"), strict=True)
        lines = sorted(json.dumps(key, ensure_ascii=False) for key in keys)
        if self.design.by == "group":
            lines += map(json.dumps, sorted(zip(self.column("id"), map(str, self.groups()), strict=True)))
        elif self.design.by == "split":
            lines.append(json.dumps([self.design.train, self.design.valid, self.design.test]))
        return _digest(lines)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over (id, path, start, end) in order: what is read, and in which order."""
        keys = zip(*(self.column(name) for name in ("id", "path", "start_s", "end_s")), strict=True)
        return _digest(json.dumps(key, ensure_ascii=False) for key in keys)

    @property
    def paired_fingerprint(self) -> str:
        """SHA-256 over `fingerprint` and every row's text: what a method of sound and text reads."""
        return _digest([self.fingerprint, *(json.dumps(text, ensure_ascii=False) for text in self.column("text"))])

    def _distinct(self, name: str) -> list[Any]:
        return sorted(value for value in self.table.column(name).unique().to_pylist() if value is not None)


def _digest(lines: Iterable[str]) -> str:
    digest = sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()

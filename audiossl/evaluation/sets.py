"""Several data sets at once: where their files are, and what an evaluation on all of them leaves behind.

Imports neither torch nor NumPy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from audiossl.errors import UsageError
from audiossl.evaluation.scores import EvaluationReport, Record


class DataSet(NamedTuple):
    """One data set: the name of its folder and column, what to load, and where its files are."""

    name: str
    source: str
    data: Path | None


class SetReport(Record):
    """What was measured on one data set."""

    name: str
    """Of its column, and of its folder beside the index."""
    source: str
    report: EvaluationReport


class FailedSet(Record):
    """A data set without scores."""

    name: str
    source: str
    reason: str


class SuiteReport(Record):
    """Everything one call of `evaluate_sets` measured."""

    audiossl: str
    """Version of the package."""
    made: str
    """UTC, ISO 8601."""
    sets: list[SetReport]
    failed: list[FailedSet]

    @property
    def named(self) -> list[tuple[str, EvaluationReport]]:
        """The reports by the names of their sets."""
        return [(one.name, one.report) for one in self.sets]


def data_sets(on: Sequence[str], data: Mapping[str, Path] | Path | None) -> list[DataSet]:
    """The sources with their names and places.

    Args:
        on: manifests' names (`esc50`, or `NAME/TASK`), manifests, tables, folders; each once.
        data: for each source, or for each manifest's name, the folder of its files; one folder is for all.

    Raises:
        UsageError: a source twice, or a folder for one that is not asked for.
    """
    if not on:
        raise UsageError("there are no data to evaluate on; name a manifest, a table or a folder with --on")
    if twice := [source for source in on if list(on).count(source) > 1]:
        raise UsageError(f"--on {twice[0]} is given twice; give each data set once")
    places = {} if data is None or isinstance(data, Path) else dict(data)
    known = {key for source in on for key in (source, source.split("/")[0])}
    if alien := [key for key in places if key not in known]:
        raise UsageError(f"--data {alien[0]}=... names no data set of --on; write one of: {', '.join(on)}")
    found: list[DataSet] = []
    for source in on:
        place = data if isinstance(data, Path) else places.get(source, places.get(source.split("/")[0]))
        name, names = _name(source), {one.name for one in found}
        number = next(number for number in range(1, len(on) + 1) if _numbered(name, number) not in names)
        found.append(DataSet(_numbered(name, number), source, place))
    return found


def told_places(on: Sequence[str], told: Sequence[str]) -> Mapping[str, Path] | Path | None:
    """What `--data` says: `SET=PATH` for each set, or one PATH for all.

    Raises:
        UsageError: several paths without a set's name, or both kinds.
    """
    pairs = [(key, Path(path)) for key, mark, path in (one.partition("=") for one in told) if mark]
    known = {key for source in on for key in (source, source.split("/")[0])}
    named = {key: path for key, path in pairs if key in known or not Path(f"{key}={path}").exists()}
    if not named:
        if len(told) > 1:
            raise UsageError(f"--data is given {len(told)} times; say which is for which set: --data {on[0]}=PATH")
        return Path(told[0]) if told else None
    if len(named) < len(told):
        raise UsageError("--data is given as SET=PATH and as PATH; write SET=PATH for each set, or one PATH for all")
    return named


def _name(source: str) -> str:
    """A name for a column and a folder: a file's without its ending, a task's after its manifest's."""
    path = Path(source)
    if path.stem == "metadata" and path.parent.name:  # every audio folder calls its table so
        path = path.parent
    is_file = path.suffix in (".csv", ".tsv", ".yaml", ".yml")
    short = path.stem if is_file else path.name if path.exists() or path != Path(source) else source
    return re.sub(r"[^\w.-]+", "-", short).strip("-.") or "data"


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"

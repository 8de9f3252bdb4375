"""What a user names to compare: evaluations on disk, a row of one, or encoders that are evaluated first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from audiossl.errors import DataError, UsageError
from audiossl.evaluation.compare import Side, compare_sides
from audiossl.evaluation.comparison import ComparisonReport
from audiossl.evaluation.scores import EvaluationReport, Row
from audiossl.progress import Progress


class Named(NamedTuple):
    """PATH, or PATH:ROW."""

    path: Path
    row: str | None


def compare(
    a: str | Path,
    b: str | Path,
    *,
    on: Sequence[str] = (),
    data: Mapping[str, Path] | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ComparisonReport:
    """Compare two evaluations, or two encoders that are evaluated first.

    Args:
        a: an evaluation's folder or `report.json`, `PATH:ROW` for another row than its only model; with `on`, an
            encoder bundle.
        b: the same.
        on: labelled data to evaluate both encoders on.
        data: for each of them the folder of its files, or one folder for all.
        out: write the evaluations here.
        progress: told about the extraction.
        options: fields of `EvaluateOptions`, with `on` only.

    Raises:
        UsageError: no such row, nothing in common, or options without `on`.
        DataError: what is named is no evaluation, or they are not on the same split under the same protocol.
    """
    if on:
        from audiossl.evaluation.suite import evaluate_sets

        suite = evaluate_sets([a, b], on, data=data, out=out, progress=progress, **options)
        if suite.errors:
            raise suite.errors[0]
        rows = [{one.name: (one.report, one.report.rows[number]) for one in suite.report.sets} for number in (0, 1)]
        return compare_sides(Side(str(a), rows[0]), Side(str(b), rows[1]))
    if options or data is not None or out is not None:
        raise UsageError("evaluations are compared as they are; name the data with --on to evaluate two encoders first")
    return compare_sides(*_labelled(a, b, *map(find_side, (a, b))))


def find_side(told: str | Path) -> Side:
    """The rows that PATH or PATH:ROW names in an evaluation on disk.

    Raises:
        DataError: it is not there, or no evaluation.
        UsageError: there is no such row, or several models to choose from.
    """
    path, row = named = _named(str(told))
    rows: dict[str, tuple[EvaluationReport, Row]] = {}
    for name, report in read_reports(path).items():
        rows[name] = (report, _row(report, named))
    first = next(iter(rows.values()))[1]
    return Side(first.name if row is None or first.kind == "pretrained" else label(first), rows)


def read_reports(path: Path) -> dict[str, EvaluationReport]:
    """The reports of an evaluation's folder, of one set or of several, or of one `report.json`, by the set's name.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    if path.is_file():
        places = [path]
    elif (path / "index.json").is_file():
        places = [path / one["report"] for one in _json(path / "index.json")["sets"]]
    else:
        places = [path / "report.json"]
    found: dict[str, EvaluationReport] = {}
    for place in places:
        report = _read(place)
        name = set_name(report)
        found[name if name not in found else place.parent.name] = report
    return found


def set_name(report: EvaluationReport) -> str:
    """The data set's name, and the task's where a manifest has several."""
    data = report.data
    return data.source if data.task in ("", data.source) else f"{data.source}/{data.task}"


def label(row: Row) -> str:
    """What a row is called when it is asked for."""
    return row.name if row.seed is None else f"{row.name} seed {row.seed}"


def _named(told: str) -> Named:
    if Path(told).exists():
        return Named(Path(told), None)
    for place in (place for place in range(len(told) - 1, 0, -1) if told[place] == ":"):
        if Path(told[:place]).exists():
            return Named(Path(told[:place]), told[place + 1 :])
    raise DataError(f"{told}: there is no such evaluation; give its folder or report.json, or PATH:ROW for one row")


def _row(report: EvaluationReport, named: Named) -> Row:
    path, wanted = named
    if wanted is None:
        models = [row for row in report.rows if row.kind == "pretrained"]
        if len(models) == 1:
            return models[0]
        raise UsageError(f"{path}: {len(models)} models were evaluated; say which: {_choices(path, models)}")
    exact = [row for row in report.rows if label(row) == wanted]
    near = exact or [row for row in report.rows if wanted.lower() in label(row).lower()]
    if len(near) == 1:
        return near[0]
    problem = "no row is" if not near else f"{len(near)} rows are"
    raise UsageError(f"{path}: {problem} called {wanted}; write one of {_choices(path, near or report.rows)}")


def _choices(path: Path, rows: Sequence[Row]) -> str:
    return ", ".join(f"{path}:{label(row)}" for row in rows)


def _labelled(a: str | Path, b: str | Path, one: Side, other: Side) -> tuple[Side, Side]:
    """Both, told apart by what the user wrote where they have one name."""
    if one.label != other.label:
        return one, other
    if str(a) == str(b):
        raise UsageError(f"{a} is given twice; name two embeddings to compare")
    return Side(str(a), one.rows), Side(str(b), other.rows)


def _read(path: Path) -> EvaluationReport:
    try:
        return EvaluationReport.model_validate(_json(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise DataError(f"{path}: is no report of this audiossl ({where}: {fault['msg']}); evaluate again") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{path}: there is no evaluation here; make one with audiossl evaluate --out, or compare two encoders with "
            f"--on"
        ) from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON, or is cut; evaluate again") from error

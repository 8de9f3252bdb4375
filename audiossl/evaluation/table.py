"""A report as lines of a table, the same for the terminal and the page. Imports neither torch nor NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, stdev

from audiossl.evaluation.scores import DataFacts, EvaluationReport, Gain, Row, Score


@dataclass(frozen=True)
class Cell:
    """One line under one protocol; all values are shares between 0 and 1."""

    accuracy: float
    interval: tuple[float, float] | None = None
    deviation: float | None = None
    """Over seeds."""
    macro: float | None = None
    folds: list[float] = field(default_factory=list)
    """Of several seeds, the mean."""
    seeds: list[float] = field(default_factory=list)
    strengths: list[float] = field(default_factory=list)
    """The C chosen for each fold, of a single row."""


@dataclass(frozen=True)
class Line:
    """One line: a model, or a baseline with its seeds taken together."""

    label: str
    kind: str
    dim: int | None
    rows: list[Row]
    cells: dict[str, Cell]
    """Of the protocols that could score it: zero-shot scores no encoder without texts."""


def lines(report: EvaluationReport) -> list[Line]:
    """Models, their untrained twins, log-mel statistics, the most frequent class, chance."""
    found = [_line(row.name, [row], report) for row in report.rows if row.kind == "pretrained"]
    twins: dict[tuple[str, tuple[int, ...]], list[Row]] = {}
    for row in report.rows:
        if row.kind == "untrained":
            twins.setdefault((row.name, tuple(row.models)), []).append(row)
    found += [_line(f"{name} x{len(rows)}", rows, report) for (name, _), rows in twins.items()]
    found += [_line(row.name, [row], report) for row in report.rows if row.kind == "statistics"]
    for label, accuracy in (("most frequent class", report.data.majority), ("chance", report.data.chance)):
        found.append(Line(label, "chance", None, [], {protocol: Cell(accuracy) for protocol in report.protocols}))
    return found


def test_folds(data: DataFacts) -> str:
    """How many folds were tested, or which one."""
    return f"test fold {data.folds[0]}" if len(data.folds) == 1 else f"{len(data.folds)} test folds"


def gain_sentence(gain: Gain, report: EvaluationReport) -> str:
    """The gain in words, with its interval."""
    low, high = (100 * value for value in gain.interval)
    points = round(100 * gain.gain, 1) + 0.0  # no "-0.0"
    verdict = "" if low > 0 or high < 0 else "; the interval holds 0, so this may be chance"
    return (
        f"{report.models[gain.model].path}, {gain.protocol}: {points:+.1f} points over the untrained encoder "
        f"({100 * gain.pretrained:.1f} against {100 * gain.untrained:.1f}; 95 % interval {low:+.1f} to {high:+.1f}"
        f"{verdict})"
    )


def _line(label: str, rows: list[Row], report: EvaluationReport) -> Line:
    scored = [protocol for protocol in report.protocols if protocol in rows[0].scores]
    cells = {protocol: _cell([row.scores[protocol] for row in rows]) for protocol in scored}
    return Line(label, rows[0].kind, rows[0].dim, rows, cells)


def _cell(scores: list[Score]) -> Cell:
    single = scores[0] if len(scores) == 1 else None
    seeds = [score.accuracy for score in scores]
    return Cell(
        accuracy=fmean(seeds),
        interval=single.interval if single else None,
        deviation=None if single else stdev(seeds),
        macro=fmean(score.macro_accuracy for score in scores),
        folds=[fmean(fold.accuracy for fold in same) for same in zip(*(score.folds for score in scores), strict=True)],
        seeds=[] if single else seeds,
        strengths=[fold.strength for fold in single.folds if fold.strength is not None] if single else [],
    )

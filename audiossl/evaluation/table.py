"""A report as lines of a table, the same for the terminal and the page. Imports neither torch nor NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, stdev

from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.scores import DataFacts, EvaluationReport, Gain, Row, Score


@dataclass(frozen=True)
class Cell:
    """One line under one protocol."""

    metric: str
    value: float
    interval: tuple[float, float] | None = None
    deviation: float | None = None
    """Over seeds."""
    folds: list[float] = field(default_factory=list)
    """Of several seeds, the mean."""
    seeds: list[float] = field(default_factory=list)
    chosen: list[dict[str, float]] = field(default_factory=list)
    """What was chosen for each fold, of a single row."""

    @property
    def shown(self) -> str:
        """The value as the table has it, with the deviation over seeds."""
        show = READINGS[self.metric].show
        return show(self.value) + ("" if self.deviation is None else f" ± {show(self.deviation)}")

    @property
    def range(self) -> str:
        """The interval, or nothing."""
        show = READINGS[self.metric].show
        return "" if self.interval is None else "–".join(map(show, self.interval))

    @property
    def parts(self) -> str:
        """The values of the seeds, or of the folds."""
        return " ".join(map(READINGS[self.metric].show, self.seeds or self.folds))


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
    """Models, their untrained twins, plain features, and what needs no embedding."""
    found = [_line(row.name, [row], report) for row in report.rows if row.kind == "pretrained"]
    twins: dict[tuple[str, tuple[int, ...]], list[Row]] = {}
    for row in report.rows:
        if row.kind == "untrained":
            twins.setdefault((row.name, tuple(row.models)), []).append(row)
    found += [_line(f"{name} x{len(rows)}", rows, report) for (name, _), rows in twins.items()]
    found += [_line(row.name, [row], report) for row in report.rows if row.kind == "statistics"]
    for label, floor in report.data.floors.items():
        shown = {name: Cell(metric, floor[metric]) for name, metric in report.metrics.items() if metric in floor}
        found.append(Line(label, "chance", None, [], shown))
    return found


def test_folds(data: DataFacts) -> str:
    """How many folds were tested, or which one."""
    return f"test fold {data.folds[0]}" if len(data.folds) == 1 else f"{len(data.folds)} test folds"


def gain_sentence(gain: Gain, report: EvaluationReport) -> str:
    """The gain in words, with its interval."""
    reading = READINGS[gain.metric]
    scale, unit = (100, "points") if reading.percent else (1, reading.title)
    points = round(scale * gain.gain, 1 if reading.percent else 3) + 0.0  # no "-0.0"
    told = f"{reading.show(gain.pretrained)} against {reading.show(gain.untrained)}"
    if gain.interval is not None:
        low, high = (scale * value for value in gain.interval)
        verdict = "" if low > 0 or high < 0 else "; the interval holds 0, so this may be chance"
        told += f"; 95 % interval {low:+.1f} to {high:+.1f}{verdict}"
    return f"{report.models[gain.model].path}, {gain.protocol}: {points:+g} {unit} over the untrained encoder ({told})"


def _line(label: str, rows: list[Row], report: EvaluationReport) -> Line:
    scored = [protocol for protocol in report.protocols if protocol in rows[0].scores]
    cells = {protocol: _cell([row.scores[protocol] for row in rows]) for protocol in scored}
    return Line(label, rows[0].kind, rows[0].dim, rows, cells)


def _cell(scores: list[Score]) -> Cell:
    single = scores[0] if len(scores) == 1 else None
    metric, seeds = scores[0].metric, [score.value for score in scores]
    same_fold = zip(*(score.folds for score in scores), strict=True)
    return Cell(
        metric=metric,
        value=fmean(seeds),
        interval=single.interval if single else None,
        deviation=None if single else stdev(seeds),
        folds=[fmean(fold.metrics[metric] for fold in same) for same in same_fold],
        seeds=[] if single else seeds,
        chosen=[fold.chosen for fold in single.folds if fold.chosen] if single else [],
    )

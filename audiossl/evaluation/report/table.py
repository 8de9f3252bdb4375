"""Reports as lines of a table, the same for the terminal and the page. Imports neither torch nor NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.scores import DataFacts, EvaluationReport, Gain, Row, Score

DAGGER = "†"
"""Marks what was chosen on the test items."""


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
    curve: list[tuple[float, float]] = field(default_factory=list)
    """Budgets of labels and the values at them, of several seeds the mean."""
    chosen: list[dict[str, float]] = field(default_factory=list)
    """What was chosen for each fold, of a single row."""
    test_selected: bool = False

    @property
    def shown(self) -> str:
        """The value as the table has it, with the deviation over seeds, and the dagger where it is due."""
        show = READINGS[self.metric].show
        spread = "" if self.deviation is None else f" ± {show(self.deviation)}"
        return show(self.value) + spread + (f" {DAGGER}" if self.test_selected else "")

    @property
    def range(self) -> str:
        """The interval, or nothing."""
        show = READINGS[self.metric].show
        return "" if self.interval is None else "–".join(map(show, self.interval))

    @property
    def compact(self) -> str:
        """The value with its deviation over seeds, or with its interval, percents without decimals."""
        if self.interval is None:
            return self.shown
        reading = READINGS[self.metric]
        low, high = (f"{100 * end:.0f}" if reading.percent else f"{end:.2f}" for end in self.interval)
        return f"{self.shown} ({low}–{high})"

    @property
    def parts(self) -> str:
        """The values at the budgets of labels, of the seeds, or of the folds."""
        show = READINGS[self.metric].show
        if self.curve:
            return " ".join(f"{at:g}: {show(value)}" for at, value in self.curve)
        return " ".join(map(show, self.seeds or self.folds))


@dataclass(frozen=True)
class Line:
    """One line: a model, or a baseline with its seeds taken together."""

    label: str
    kind: str
    dim: int | None
    rows: list[Row]
    cells: dict[str, Cell]
    """Of the protocols that could score it: zero-shot scores no encoder without texts."""


@dataclass(frozen=True)
class Column:
    """One protocol on one data set."""

    data: str
    protocol: str
    title: str
    metric: str
    test_selected: bool

    @property
    def name(self) -> str:
        """The protocol's id, with the dagger where it is due."""
        return f"{self.protocol} {DAGGER}" if self.test_selected else self.protocol

    @property
    def measure(self) -> str:
        """The metric's title and unit."""
        reading = READINGS[self.metric]
        return f"{reading.title}, %" if reading.percent else reading.title


@dataclass(frozen=True)
class GridLine:
    """A line over all data sets; None where nothing was scored."""

    label: str
    kind: str
    cells: list[Cell | None]


def lines(report: EvaluationReport) -> list[Line]:
    """Models, their untrained twins, plain features, and what needs no embedding."""
    found = [_line(row.name, [row], report) for row in report.rows if row.kind == "pretrained"]
    twins: dict[tuple[str, tuple[int, ...]], list[Row]] = {}
    for row in report.rows:
        if row.kind not in ("pretrained", "statistics"):
            twins.setdefault((row.name, tuple(row.models)), []).append(row)
    names = [name for name, _ in twins]
    for (name, models), rows in twins.items():  # two architectures may have one name
        of = "" if names.count(name) == 1 else f" of {', '.join(report.models[model].path for model in models)}"
        found.append(_line(f"{name} x{len(rows)}{of}", rows, report))
    found += [_line(row.name, [row], report) for row in report.rows if row.kind == "statistics"]
    for label, floor in report.data.floors.items():
        shown = {name: Cell(metric, floor[metric]) for name, metric in report.metrics.items() if metric in floor}
        if shown:
            found.append(Line(label, "chance", None, [], shown))
    return found


def columns(report: EvaluationReport, data: str = "") -> list[Column]:
    """One for each protocol of a report."""
    return [
        Column(data, name, str(said["title"]), report.metrics[name], bool(said.get("test_selected")))
        for name, said in report.protocols.items()
    ]


def grid(reports: Sequence[tuple[str, EvaluationReport]]) -> tuple[list[Column], list[GridLine]]:
    """Reports on several data sets, by their names, side by side: lines of one label and kind are one line."""
    heads = [column for name, report in reports for column in columns(report, name)]
    found: dict[tuple[str, str], list[Cell | None]] = {}
    start = 0
    for _, report in reports:
        for line in lines(report):
            cells = found.setdefault((line.kind, line.label), [None] * len(heads))
            for place, name in enumerate(report.protocols, start):
                cells[place] = line.cells.get(name)
        start += len(report.protocols)
    order = {kind: place for place, kind in enumerate(dict.fromkeys(kind for kind, _ in found))}
    ordered = sorted(found.items(), key=lambda one: order[one[0][0]])
    return heads, [GridLine(label, kind, cells) for (kind, label), cells in ordered]


def footnotes(reports: Sequence[EvaluationReport]) -> list[str]:
    """What a reader of the table must know of it, each once: daggers, empty cells, notes of scores, duplicates."""
    return list(dict.fromkeys(note for report in reports for note in _footnotes(report)))


def _footnotes(report: EvaluationReport) -> Iterator[str]:
    if marked := [name for name, said in report.protocols.items() if said.get("test_selected")]:
        yield (
            f"{DAGGER} {' and '.join(marked)}: something is chosen on the test items, as the original does it; such a "
            f"score is too high, and not comparable with the others"
        )
    for name, said in report.protocols.items():
        without = [line.label for line in lines(report) if line.kind != "chance" and name not in line.cells]
        if without:
            yield f"{name} {_need(said, report.data.noun)}, so it scores no {' and no '.join(without)}"
        if said["head"].get("encoder") == "random":
            yield f"{name} starts from random weights: what stands there for a model is its architecture's score"
        notes = [note for row in report.rows if name in row.scores for note in row.scores[name].notes]
        yield from (f"{name}: {note}" for note in dict.fromkeys(notes))
    data = report.data
    if data.left_out:
        yield (
            f"{data.source}: scored on a partial copy: {data.left_out:,} {data.nouns} that the set lists are not "
            "there, so this is no score on the whole set"
        )
    if data.duplicates:
        more = f" and {len(data.duplicates) - 1} more" if len(data.duplicates) > 1 else ""
        yield f"{data.source}: a {data.noun} is on both sides of a split: {data.duplicates[0]}{more}"


def _need(protocol: dict[str, Any], noun: str) -> str:
    """Why a protocol may be unable to score an embedding of something called `noun`."""
    if protocol["head"]["name"] == "zero_shot":
        return "needs an encoder that knows texts"
    return {
        "patch": f"looks at short windows of a {noun}",
        "frame": f"looks along a {noun}",
        "sound": "trains the encoder itself",
    }.get(protocol["features"]["unit"], f"looks at whole {noun}s")


def extent(data: DataFacts) -> str:
    """How much was scored, in words."""
    return f"{data.n:,} {data.nouns}, {len(data.classes)} classes, {test_folds(data)}"


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
    over = f"the same architecture from scratch ({gain.scratch})" if gain.scratch else "the untrained encoder"
    return f"{report.models[gain.model].path}, {gain.protocol}: {points:+g} {unit} over {over} ({told})"


def _line(label: str, rows: list[Row], report: EvaluationReport) -> Line:
    scored = [protocol for protocol in report.protocols if protocol in rows[0].scores]
    cells = {protocol: _cell([row.scores[protocol] for row in rows]) for protocol in scored}
    return Line(label, rows[0].kind, rows[0].dim, rows, cells)


def _cell(scores: list[Score]) -> Cell:
    single = scores[0] if len(scores) == 1 else None
    metric, seeds = scores[0].metric, [score.value for score in scores]
    same_fold = zip(*(score.folds for score in scores), strict=True)
    same_budget = zip(*(score.curve for score in scores), strict=True)
    return Cell(
        metric=metric,
        value=fmean(seeds),
        interval=single.interval if single else None,
        deviation=None if single else stdev(seeds),
        folds=[fmean(fold.metrics[metric] for fold in same) for same in same_fold],
        seeds=[] if single else seeds,
        curve=[(same[0].at, fmean(point.value for point in same)) for same in same_budget],
        chosen=[fold.chosen for fold in single.folds if fold.chosen] if single else [],
        test_selected=scores[0].test_selected,
    )

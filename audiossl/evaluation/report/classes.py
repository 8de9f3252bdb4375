"""How well each class is told apart, and what it is taken for. Imports neither torch nor NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from audiossl.evaluation.scores import EvaluationReport, Row


class ClassLine(NamedTuple):
    """One class: how many items of it are tested, and how well it is told apart: see `reading`."""

    name: str
    n: int
    models: list[float | None]
    """Of each pretrained row that the protocol scored; None for a class that is never tested."""
    untrained: float | None
    """Mean over all untrained twins; None where there are none."""


class Confusion(NamedTuple):
    """Items of one class taken for another."""

    name: str
    taken_for: str
    n: int
    share: float
    """Of the tested items of the class."""


def judged(report: EvaluationReport) -> list[str]:
    """The protocols that say something of each class."""
    single = report.data.target == "single"
    return [name for name, score in report.rows[0].scores.items() if score.by_class or (score.right and single)]


def reading(report: EvaluationReport) -> str:
    """What is measured of a class."""
    return "accuracy within each class" if report.data.target == "single" else "average precision of each class"


def class_lines(report: EvaluationReport, protocol: str) -> list[ClassLine]:
    """Every class, in the order of the report, under a protocol of `judged`."""
    models = [class_values(report, row, protocol) for row in _scored(report, "pretrained", protocol)]
    twins = [class_values(report, row, protocol) for row in _scored(report, "untrained", protocol)]
    tested = [item for fold in report.data.tested for item in fold]
    counts = Counter(label for item in tested for label in report.data.labels[item])
    found = []
    for number, name in enumerate(report.data.classes):
        known = [value for twin in twins if (value := twin[number]) is not None]
        found.append(
            ClassLine(name, counts[number], [model[number] for model in models], fmean(known) if known else None)
        )
    return found


def class_values(report: EvaluationReport, row: Row, protocol: str) -> Sequence[float | None]:
    """What `reading` names, for each class; None for a class that is never tested."""
    return row.scores[protocol].by_class or class_accuracies(report, row, protocol)


def class_accuracies(report: EvaluationReport, row: Row, protocol: str) -> list[float | None]:
    """For each class the share of its tested items that are right; None where none is tested."""
    right: list[list[float]] = [[] for _ in report.data.classes]
    for (label,), share in zip(report.data.labels, row.scores[protocol].right, strict=True):
        if share >= 0:
            right[label].append(share)
    return [fmean(shares) if shares else None for shares in right]


def confusions(report: EvaluationReport, row: Row, protocol: str) -> list[Confusion]:
    """What is taken for what, the most frequent first, then by name."""
    classes, pairs, totals = report.data.classes, Counter[tuple[str, str]](), Counter[str]()
    for (label,), predicted in zip(report.data.labels, row.scores[protocol].predictions, strict=True):
        if predicted >= 0:
            totals[classes[label]] += 1
            if predicted != label:
                pairs[classes[label], classes[predicted]] += 1
    ordered = sorted(pairs.items(), key=lambda one: (-one[1], one[0]))
    return [Confusion(name, other, n, n / totals[name]) for (name, other), n in ordered]


def _scored(report: EvaluationReport, kind: str, protocol: str) -> Sequence[Row]:
    return [row for row in report.rows if row.kind == kind and protocol in row.scores]

"""`compare`: is one embedding better than another on the same test items, or may the difference be chance?

Letters: N items, R bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiossl import rng
from audiossl.data.splits import listed
from audiossl.errors import DataError, UsageError
from audiossl.evaluation.comparison import ClassChange, Comparison, ComparisonReport, ContextLine
from audiossl.evaluation.measures import metrics
from audiossl.evaluation.outcome import PER_ITEM
from audiossl.evaluation.report.classes import class_accuracies
from audiossl.evaluation.report.table import lines
from audiossl.evaluation.scores import DataFacts, EvaluationReport, Row

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Scored = tuple[EvaluationReport, Row]

WORDS = ("title", "description")
"""Of a protocol, what bears on no score."""


@dataclass(frozen=True)
class Side:
    """One of the two: a row of a report on each data set."""

    label: str
    rows: dict[str, Scored]
    """By the data set's name."""


def compare_sides(a: Side, b: Side) -> ComparisonReport:
    """Compare two rows on every data set and under every protocol that both have.

    Raises:
        UsageError: they share none.
        DataError: what they share is not the same split, or not the same protocol; the message says what differs.
    """
    shared = [name for name in a.rows if name in b.rows]
    found = [one for name in shared for one in _comparisons(name, a.rows[name], b.rows[name])]
    if not found:
        raise UsageError(f"{a.label} and {b.label} have no data set and protocol in common: {_there(a)}; {_there(b)}")
    corrected = holm([one.p for one in found])
    return ComparisonReport(
        a=a.label,
        b=b.label,
        comparisons=[one.model_copy(update={"p_holm": p}) for one, p in zip(found, corrected, strict=True)],
        left_out=[*_left_out(a, b), *_left_out(b, a)],
        baselines=_baselines({name: (a.rows[name][0], b.rows[name][0]) for name in shared}, found, (a.label, b.label)),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test (1947): the items that one side alone got right as tosses of a fair coin."""
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (1979); None stays None and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        corrected[place] = largest = max(largest, min(1.0, (len(known) - rank) * p))
    return corrected


def _comparisons(name: str, one: Scored, other: Scored) -> Iterator[Comparison]:
    (a, row_a), (b, row_b) = one, other
    protocols = [protocol for protocol in row_a.scores if protocol in row_b.scores]
    if not protocols:
        return
    order = same_items(name, a.data, b.data)
    for protocol in protocols:
        _check_protocol(name, protocol, a, b)
        yield _comparison(name, protocol, one, other, order)


def same_items(name: str, a: DataFacts, b: DataFacts) -> Ints:
    """For each item of `a` its place in `b` (N,).

    Raises:
        DataError: items, labels, groups, test folds or the split differ; the message says which.
    """
    missing, extra = (sorted(set(one) - set(other)) for one, other in ((a.ids, b.ids), (b.ids, a.ids)))
    if missing or extra:
        told = [f"{listed(ids)} only in {side}" for ids, side in ((missing, "A"), (extra, "B")) if ids]
        raise DataError(f"{name}: A and B were scored on different items: {', '.join(told)}; evaluate both again")
    places = {item: place for place, item in enumerate(b.ids)}
    order = np.array([places[item] for item in a.ids])
    for item, labels, place in zip(a.ids, a.labels, order.tolist(), strict=True):
        here, there = ([one.classes[k] for k in of] for one, of in ((a, labels), (b, b.labels[place])))
        if here != there:
            raise DataError(
                f"{name}: {item} is {' '.join(here) or 'without label'} in A and {' '.join(there) or 'without label'} "
                f"in B; evaluate both again"
            )
    if a.folds != b.folds:
        raise DataError(f"{name}: A tested the folds {', '.join(a.folds)}, B {', '.join(b.folds)}; test the same ones")
    for fold, mine, theirs in zip(a.folds, a.tested, b.tested, strict=True):
        if differing := sorted({a.ids[i] for i in mine} ^ {b.ids[i] for i in theirs}):
            raise DataError(f"{name}: the test fold {fold} is another in B, for example in {listed(differing)}")
    if a.split_hash != b.split_hash or not _same_groups(np.array(a.groups), np.array(b.groups)[order]):
        what = "training items" if a.split_hash != b.split_hash else "groups"
        raise DataError(f"{name}: A and B have the same test items but different {what}; evaluate both again")
    return order


def _same_groups(a_N: Ints, b_N: Ints) -> bool:
    pairs = len(np.unique(np.stack([a_N, b_N]), axis=1).T)
    return pairs == len(np.unique(a_N)) == len(np.unique(b_N))


def _check_protocol(name: str, protocol: str, a: EvaluationReport, b: EvaluationReport) -> None:
    mine, theirs = ({k: v for k, v in one.protocols[protocol].items() if k not in WORDS} for one in (a, b))
    differing = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
    if differing:
        key = differing[0]
        raise DataError(
            f"{name}: {protocol} is not the same in both: {key} is {mine.get(key)} in A and {theirs.get(key)} in B; "
            f"evaluate both again with one version"
        )


def _comparison(name: str, protocol: str, one: Scored, other: Scored, order: Ints) -> Comparison:
    (a, row_a), (_, row_b) = one, other
    mine, theirs = row_a.scores[protocol], row_b.scores[protocol]
    if mine.split_hash != theirs.split_hash:
        raise DataError(f"{name}: {protocol} parted the items differently for A and B; evaluate both again")
    data, said = a.data, a.protocols[protocol]
    level, draws_R, only_a, only_b, p = float(said["interval"]["level"]), None, None, None, None
    if mine.right and theirs.right and mine.metric in PER_ITEM:
        differences_N = np.array(mine.right) - np.array(theirs.right)[order]
        draws_R = _bootstrap(differences_N, data, said, macro=mine.metric == "macro_accuracy")
    elif mine.draws and len(mine.draws) == len(theirs.draws):
        draws_R = np.array(mine.draws) - np.array(theirs.draws)
    if mine.predictions and theirs.predictions:
        truth_N = np.array([labels[0] for labels in data.labels])
        right_a, right_b = np.array(mine.predictions) == truth_N, np.array(theirs.predictions)[order] == truth_N
        only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        p = mcnemar(only_a, only_b)
    elif draws_R is not None:
        p = min(1.0, 2 * (1 + min(int((draws_R <= 0).sum()), int((draws_R >= 0).sum()))) / (1 + len(draws_R)))
    return Comparison(
        data=name,
        protocol=protocol,
        metric=mine.metric,
        n=mine.n,
        a=mine.value,
        b=theirs.value,
        difference=mine.value - theirs.value,
        level=level,
        interval=None if draws_R is None else metrics.interval(draws_R, level),
        only_a=only_a,
        only_b=only_b,
        p=p,
        p_holm=None,
        classes=_changes(protocol, one, other) if mine.right and theirs.right else [],
        test_selected=mine.test_selected,
    )


def _bootstrap(differences_N: Floats, data: DataFacts, protocol: dict[str, Any], *, macro: bool) -> Floats:
    """The draws that `evaluate` would have made of the differences."""
    groups_N, tested = np.array(data.groups), [np.array(fold) for fold in data.tested]
    return metrics.fold_bootstrap(
        differences_N,
        [groups_N[fold] for fold in tested],
        tested,
        int(protocol["interval"]["draws"]),
        rng.numpy_stream(int(protocol["seed"]), "bootstrap"),
        np.array([labels[0] for labels in data.labels]) if macro else None,
    )


def _changes(protocol: str, one: Scored, other: Scored) -> list[ClassChange]:
    (a, row_a), (b, row_b) = one, other
    tested = [a.data.labels[item][0] for fold in a.data.tested for item in fold]
    counts = np.bincount(tested, minlength=len(a.data.classes)).tolist()
    found = [
        ClassChange(name=name, n=n, a=mine, b=theirs)
        for name, n, mine, theirs in zip(
            a.data.classes,
            counts,
            class_accuracies(a, row_a, protocol),
            class_accuracies(b, row_b, protocol),
            strict=True,
        )
        if mine is not None and theirs is not None and mine != theirs
    ]
    return sorted(found, key=lambda change: (-abs(change.a - change.b), change.name))


def _baselines(
    reports: dict[str, tuple[EvaluationReport, EvaluationReport]], found: Sequence[Comparison], names: Sequence[str]
) -> list[ContextLine]:
    """The baselines of both sides under what was compared, each label once, and not those that are compared."""
    values: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for one in found:
        for line in (line for report in reports[one.data] for line in lines(report) if line.kind != "pretrained"):
            if one.protocol in line.cells:
                of_line = values.setdefault((line.label, line.kind), {}).setdefault(one.data, {})
                of_line.setdefault(one.protocol, line.cells[one.protocol].value)
    return [
        ContextLine(label=label, kind=kind, values=known)
        for (label, kind), known in values.items()
        if label not in names
    ]


def _there(side: Side) -> str:
    told = [f"{name} under {', '.join(row.scores)}" for name, (_, row) in side.rows.items()]
    return f"{side.label} has {'; '.join(told)}"


def _left_out(one: Side, other: Side) -> list[str]:
    told = []
    for name, (_, row) in one.rows.items():
        if name not in other.rows:
            told.append(f"{name}: only {one.label} has scores")
            continue
        alone = [protocol for protocol in row.scores if protocol not in other.rows[name][1].scores]
        told += [f"{name}: only {one.label} has scores under {protocol}" for protocol in alone]
    return told

"""What a comparison of two embeddings found, and how it is said. Imports neither torch nor NumPy."""

from __future__ import annotations

from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.scores import Record

SURE = 0.05
"""A difference with a smaller p, and an interval without 0, is more than chance."""
EQUAL = 1e-9
"""Means of the same shares in another order differ by less."""


class ClassChange(Record):
    """One class, and how much of it either embedding got right."""

    name: str
    n: int
    """Tested items of it."""
    a: float
    b: float


class Comparison(Record):
    """A and B under one protocol on one split."""

    data: str
    protocol: str
    metric: str
    n: int
    """Test items."""
    a: float
    b: float
    difference: float
    """A minus B."""
    level: float
    interval: tuple[float, float] | None
    """Of the difference, at `level`: paired bootstrap over test items in whole groups, within folds."""
    only_a: int | None
    """Items that A alone got right; None where items are not right or wrong."""
    only_b: int | None
    p: float | None
    """Two-sided: McNemar's exact test, or how far the bootstrap's differences lie to one side of 0."""
    p_holm: float | None
    """`p` after Holm's correction for all comparisons of one call."""
    classes: list[ClassChange]
    """Those that changed, the most first."""
    test_selected: bool

    @property
    def chance(self) -> bool | None:
        """Whether the difference may be chance; None where nothing says how sure it is."""
        if self.interval is None or self.p_holm is None:
            return None
        low, high = self.interval
        return low <= 0 <= high or self.p_holm >= SURE


class ContextLine(Record):
    """A baseline's values beside the two, by data set and protocol."""

    label: str
    kind: str
    values: dict[str, dict[str, float]]


class ComparisonReport(Record):
    """Everything one call of `compare` found."""

    a: str
    b: str
    comparisons: list[Comparison]
    left_out: list[str]
    """What only one of them was scored on or under."""
    baselines: list[ContextLine]


def sentence(found: Comparison, report: ComparisonReport) -> str:
    """The difference in words: how much, how sure, and whether it may be chance."""
    reading = READINGS[found.metric]
    scale, digits, unit = (100, 1, "points") if reading.percent else (1, 3, reading.title)
    ahead = found.difference > 0 if reading.higher else found.difference < 0
    first, second = (report.a, report.b) if ahead else (report.b, report.a)
    where = f"on {found.data} under {found.protocol}{' †' if found.test_selected else ''}"
    evidence = _evidence(found, ahead, scale, digits, len(report.comparisons))
    if abs(found.difference) < EQUAL:
        return f"{report.a} and {report.b} are equal {where}{evidence}"
    verdict = {None: "nothing here says how sure this is", True: "this may be chance", False: "more than chance"}
    size = f"{abs(scale * found.difference):.{digits}f} {unit}"
    return f"{first} is better than {second} {where} by {size}{evidence}: {verdict[found.chance]}"


def _evidence(found: Comparison, ahead: bool, scale: float, digits: int, comparisons: int) -> str:
    """Interval and p, of the better one minus the other."""
    facts, forward = [], ahead == READINGS[found.metric].higher
    if found.interval is not None:
        low, high = (scale * end for end in found.interval)
        low, high = (low, high) if forward else (-high, -low)
        low, high = (round(end, digits) + 0.0 for end in (low, high))  # no "-0.0"
        facts.append(f"{100 * found.level:g} % {low:.{digits}f} to {high:.{digits}f}")
    if found.p is not None:
        test = "bootstrap"
        if found.only_a is not None:
            counts = (found.only_a, found.only_b) if forward else (found.only_b, found.only_a)
            test = f"McNemar {counts[0]}:{counts[1]}"
        facts.append(f"{test}, p = {found.p:.2g}")
    if found.p_holm is not None and comparisons > 1:
        facts.append(f"after Holm for {comparisons} comparisons {found.p_holm:.2g}")
    return f" ({'; '.join(facts)})" if facts else ""

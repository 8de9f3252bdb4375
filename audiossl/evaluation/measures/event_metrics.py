"""Metrics of labelled stretches of time, found against true: onset F1, segment F1 and segment error rate.

They are those of sed_eval (Mesaros et al. 2016), summed over items and classes before the ratio is taken; which onset
is which is decided by mir_eval's largest matching.

Letters: N items, S segments, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from audiossl.data.items import Event
from audiossl.evaluation.measures.resampling import Metric

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Events = Sequence[Event]

COLLAR_S = 0.2
"""How far the onset of a hit may be from the true one."""
SEGMENT_S = 1.0


class EventScores:
    """Found events of N items against the true ones."""

    def __init__(self, truth: Sequence[Events], found: Sequence[Events]) -> None:
        self._pairs = list(zip(truth, found, strict=True))

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric by its name; NaN where there is no true event."""
        return {name: getattr(self, name) for name in ("onset_f1", "segment_f1", "segment_error_rate")}

    @cached_property
    def _onsets(self) -> Ints:
        """Hits, true and found events of each item (N, 3)."""
        return np.array([onset_counts(*pair) for pair in self._pairs], np.int64)

    @cached_property
    def _segments(self) -> Ints:
        """Hits, true and found (segment, class) pairs and errors of each item (N, 4)."""
        return np.array([segment_counts(*pair) for pair in self._pairs], np.int64)

    def onset_f1(self, weights_N: Floats | None = None) -> float:
        """Share of hits among true and found events: a hit is of the same class, its onset at most `COLLAR_S` off."""
        return _f1(*_sums(self._onsets, weights_N))

    def segment_f1(self, weights_N: Floats | None = None) -> float:
        """Share of hits among true and found (segment, class) pairs, in segments of `SEGMENT_S`."""
        return _f1(*_sums(self._segments, weights_N)[:3])

    def segment_error_rate(self, weights_N: Floats | None = None) -> float:
        """Errors per true (segment, class) pair: within a segment, misses and false alarms make up for each other.

        A false alarm beside a miss is one substitution, what is left over is a deletion or an insertion. 0 is perfect,
        1 is what silence gets, and there is no upper end.
        """
        _, true, _, errors = _sums(self._segments, weights_N)
        return float(errors / true) if true else float("nan")


def onset_counts(truth: Events, found: Events) -> tuple[int, int, int]:
    """Hits of one item, each event in one pair at most; true events; found events."""
    from mir_eval.util import match_events

    hits = 0
    for label in {event.label for event in truth} & {event.label for event in found}:
        true_s, found_s = (np.array([one.onset_s for one in side if one.label == label]) for side in (truth, found))
        hits += len(match_events(true_s, found_s, COLLAR_S))
    return hits, len(truth), len(found)


def segment_counts(truth: Events, found: Events) -> tuple[int, int, int, int]:
    """Hits of one item, true and found (segment, class) pairs, errors."""
    labels = {label: k for k, label in enumerate(sorted({event.label for event in [*truth, *found]}))}
    if not labels:
        return 0, 0, 0, 0
    n = int(np.ceil(max(event.offset_s for event in [*truth, *found]) / SEGMENT_S))
    true_SK, found_SK = (_roll(side, labels, n) for side in (truth, found))
    hits_S = (true_SK & found_SK).sum(axis=1)
    errors_S = np.maximum(true_SK.sum(axis=1), found_SK.sum(axis=1)) - hits_S
    return int(hits_S.sum()), int(true_SK.sum()), int(found_SK.sum()), int(errors_S.sum())


def _roll(events: Events, labels: Mapping[str, int], n: int) -> NDArray[np.bool_]:
    """Which segments hear which label (S, K): all that an event touches."""
    roll_SK = np.zeros((n, len(labels)), np.bool_)
    for event in events:
        first, end = np.floor(event.onset_s / SEGMENT_S), np.ceil(event.offset_s / SEGMENT_S)
        roll_SK[int(first) : int(end), labels[event.label]] = True
    return roll_SK


def _sums(counts_NC: Ints, weights_N: Floats | None) -> Floats:
    sums_C: Floats = (counts_NC if weights_N is None else counts_NC * weights_N[:, None]).sum(axis=0, dtype=np.float64)
    return sums_C


def _f1(hits: float, true: float, found: float) -> float:
    return float(2 * hits / (true + found)) if true else float("nan")

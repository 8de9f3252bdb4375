"""Timed events: a linear head at every timestamp, and events made of its probabilities.

Letters: N items, U timestamps of one, D dimensions, K classes, C candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from audiossl.data.items import Event
from audiossl.devices import cores
from audiossl.evaluation.features.frames import Bools, Floats, Frames, Ints
from audiossl.evaluation.heads.linear import inner_fits
from audiossl.evaluation.heads.logistic import fit_path
from audiossl.evaluation.heads.scaling import fit_scaler
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.measures.event_metrics import onset_counts
from audiossl.evaluation.outcome import Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.detection import DetectionConfig
from audiossl.evaluation.protocol.parts import FixedConfig, NestedConfig, NewtonConfig
from audiossl.evaluation.task import Round, Task

ENTRIES = 250_000_000
"""Numbers that one fit may learn from; it holds about 28 bytes for each, so 7 GB."""
ROUNDING_S = 1e-6

Events = tuple[Event, ...]


def detect(protocol: Protocol, frames: Frames, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's events; those of a round's test items are never looked at.

    One fit after the other, on all cores, for the memory that each takes.
    """
    from threadpoolctl import threadpool_limits

    detector = _Detector(protocol, frames, task)
    with threadpool_limits(cores()):
        return [detector.found(one, *choice) for one, choice in zip(task.rounds, detector.choices(), strict=True)]


def events_of(
    times_U: Floats, probabilities_UK: Floats, classes: Sequence[str], config: DetectionConfig, shortest_s: float
) -> Events:
    """The events that probabilities along time tell of, by class and time.

    An event lasts from its first to its last timestamp.
    """
    from scipy.ndimage import median_filter

    width = round(config.median_s / (times_U[1] - times_U[0])) if len(times_U) > 1 else 1
    smooth_UK = median_filter(probabilities_UK, size=(max(1, width), 1))
    edges_UK = np.diff((smooth_UK > config.threshold).astype(np.int8), axis=0, prepend=0, append=0)
    label_E, first_E = np.nonzero(edges_UK.T == 1)
    last_E = np.nonzero(edges_UK.T == -1)[1] - 1
    long_E = times_U[last_E] - times_U[first_E] >= shortest_s - ROUNDING_S
    found = zip(times_U[first_E][long_E], times_U[last_E][long_E], label_E[long_E], strict=True)
    return tuple(Event(float(onset_s), float(offset_s), classes[k]) for onset_s, offset_s, k in found)


@dataclass(frozen=True)
class _Detector:
    protocol: Protocol
    frames: Frames
    task: Task

    def choices(self) -> list[tuple[float, float]]:
        """For each round C and the shortest event, by onset F1 on held-out items.

        Among equals the smallest C, then the smallest length; where nothing is held out too.
        """
        selection = self.protocol.selection
        assert isinstance(selection, NestedConfig | FixedConfig)
        strengths = selection.strengths if isinstance(selection, NestedConfig) else [selection.strength]
        candidates = list(product(strengths, self._config.shortest_s))
        counts_RC3 = np.zeros((len(self.task.rounds), len(candidates), 3), np.int64)
        for fit in inner_fits(self.task) if len(candidates) > 1 else []:
            held_out = np.unique(np.concatenate([held for _, held in fit.users]))
            for at, counts in enumerate(self._counted(fit.train, held_out, strengths)):
                for number, held in fit.users:
                    counts_RC3[number, at] += sum(counts[item] for item in held)
        hits_RC, true_RC, found_RC = np.moveaxis(counts_RC3, 2, 0)
        f1_RC = 2 * hits_RC / np.maximum(true_RC + found_RC, 1)
        return [candidates[best] for best in f1_RC.argmax(axis=1)]

    def found(self, one: Round, strength: float, shortest_s: float) -> Outcome:
        """The events in the test items of a round."""
        (scored,) = self._scores(one.train, one.test, [strength])
        every = self._every(one.train)
        return Outcome(
            np.stack([p_UK.max(axis=0) for p_UK in scored]),
            {"C": strength, "shortest_s": shortest_s},
            self._events(one.test, scored, shortest_s),
            [f"only one in {every} training timestamps was learnt from, for their number"] if every > 1 else [],
        )

    def _counted(self, train: Ints, items: Ints, strengths: Sequence[float]) -> Iterator[dict[int, Ints]]:
        """For each C and shortest event, each item's hits, true and found onsets (3,)."""
        for scored in self._scores(train, items, strengths):
            for shortest_s in self._config.shortest_s:
                found = zip(items, self._events(items, scored, shortest_s), strict=True)
                yield {item: np.array(onset_counts(self.task.events[item], events)) for item, events in found}

    def _events(self, items: Ints, scored: Sequence[Floats], shortest_s: float) -> list[Events]:
        times = [self.frames.times_s[self.frames.of_item(item)] for item in items]
        pairs = zip(times, scored, strict=True)
        return [events_of(*pair, self.task.classes, self._config, shortest_s) for pair in pairs]

    def _scores(self, train: Ints, items: Ints, strengths: Sequence[float]) -> Iterator[list[Floats]]:
        """For each C, the probabilities (U, K) of each item; scaler and head see only `train`."""
        from scipy.special import expit

        fit, values, size = self.protocol.fit, self.frames.values, len(self.task.classes)
        assert isinstance(fit, NewtonConfig)
        rows = self.frames.rows(train)[:: self._every(train)]
        scale = fit_scaler(self.protocol, values[rows].astype(np.float64))
        learn = scale(values[rows].astype(np.float64))
        path = fit_path(learn, self._heard[rows], strengths, tolerance=fit.tolerance, max_iterations=fit.max_iterations)
        for head in path:
            of_items = (values[self.frames.of_item(item)].astype(np.float64) for item in items)
            yield [expit(head.logits(scale(x_UD), size)) for x_UD in of_items]

    def _every(self, train: Ints) -> int:
        """One in how many training timestamps is learnt from: all, where they fit."""
        count = int((self.frames.starts[train + 1] - self.frames.starts[train]).sum())
        return max(1, -(-count * int(self.frames.values.shape[1]) // ENTRIES))

    @cached_property
    def _heard(self) -> Bools:
        return self.frames.heard(self.task.events, self.task.classes)

    @property
    def _config(self) -> DetectionConfig:
        assert self.protocol.detection is not None
        return self.protocol.detection

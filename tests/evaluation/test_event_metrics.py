from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from audiossl.data.items import Event
from audiossl.evaluation.measures.event_metrics import EventScores, onset_counts, segment_counts

CASES = json.loads((Path(__file__).parents[1] / "data" / "sed_eval_events.json").read_text())["cases"]


def events(rows):
    return [Event(*row) for row in rows]


def sides(case):
    return [[events(item[side]) for item in case["items"]] for side in ("truth", "found")]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_every_metric_equals_sed_eval(case):
    for name, metric in EventScores(*sides(case)).metrics.items():
        assert metric(None) == pytest.approx(case[name], abs=1e-12), name


def test_onset_hits_equal_the_best_of_all_assignments():
    rng = np.random.default_rng(0)
    for _ in range(30):
        truth = [
            Event(on, on + 1, "ab"[k]) for on, k in zip(rng.uniform(0, 1, 4), rng.integers(2, size=4), strict=True)
        ]
        found = [
            Event(on, on + 1, "ab"[k]) for on, k in zip(rng.uniform(0, 1, 5), rng.integers(2, size=5), strict=True)
        ]
        best = max(
            sum(a.label == b.label and abs(a.onset_s - b.onset_s) <= 0.2 for a, b in zip(truth, order, strict=False))
            for order in permutations(found)
        )
        assert onset_counts(truth, found) == (best, 4, 5)


def test_segments_equal_a_slow_count():
    truth, found = (events(CASES[0]["items"][0][side]) for side in ("truth", "found"))
    hits = true = guessed = errors = 0
    for second in range(20):
        here = [
            {one.label for one in side if one.onset_s < second + 1 and one.offset_s > second} for side in (truth, found)
        ]
        missed, wrong = len(here[0] - here[1]), len(here[1] - here[0])
        substituted = min(missed, wrong)
        hits += len(here[0] & here[1])
        true, guessed = true + len(here[0]), guessed + len(here[1])
        errors += substituted + (missed - substituted) + (wrong - substituted)
    assert segment_counts(truth, found) == (hits, true, guessed, errors)


@pytest.mark.parametrize("case", CASES[:3])
def test_weights_equal_repeated_items(case):
    truth, found = sides(case)
    times = np.array([2, 0, 1, 3])
    drawn = np.repeat(np.arange(4), times)
    again = EventScores([truth[i] for i in drawn], [found[i] for i in drawn]).metrics
    for name, metric in EventScores(truth, found).metrics.items():
        assert metric(times.astype(float)) == pytest.approx(again[name](None), abs=1e-12)


def test_silence_and_perfection():
    truth = [events(item["truth"]) for item in CASES[0]["items"]]
    silent, perfect = EventScores(truth, [[]] * 4), EventScores(truth, truth)
    assert [metric(None) for metric in silent.metrics.values()] == [0, 0, 1]
    assert [metric(None) for metric in perfect.metrics.values()] == [1, 1, 0]


def test_no_true_event_is_no_number_and_false_alarms_elsewhere_count():
    alarm = [Event(0.0, 0.5, "bark")]
    assert np.isnan([metric(None) for metric in EventScores([[]], [alarm]).metrics.values()]).all()
    scores = EventScores([alarm, []], [alarm, alarm])
    assert [metric(None) for metric in scores.metrics.values()] == pytest.approx([2 / 3, 2 / 3, 1])

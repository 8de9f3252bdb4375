from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from audiossl.data.items import Event, Item, Items
from audiossl.embedding.frames import FrameFeatures
from audiossl.errors import RecipeError
from audiossl.evaluation.features.frames import Frames
from audiossl.evaluation.heads import detection
from audiossl.evaluation.heads.detection import events_of
from audiossl.evaluation.measures.event_metrics import EventScores
from audiossl.evaluation.probes import predict, run_task, task_of
from audiossl.evaluation.protocol import list_protocols, load_protocol

PROTOCOL = load_protocol("events_linear@1")
PROTOCOL = PROTOCOL.model_copy(update={"interval": PROTOCOL.interval.model_copy(update={"draws": 200})})
CLASSES = ["bark", "bell"]
HOP_S, LENGTH_S = 0.05, 6.0
TIMES = np.arange(round(LENGTH_S / HOP_S)) * HOP_S


def made(n=8, seed=0, noise=0.3):
    """Items in four folds with an event or two of each class, and features that are those classes in noise."""
    rng = np.random.default_rng(seed)
    rows, features = [], []
    for item in range(n):
        events = []
        for label in CLASSES:
            for start in rng.choice([0.2, 2.2, 4.2], size=rng.integers(1, 3), replace=False):
                onset = start + rng.uniform(0, 0.5)
                events.append(Event(float(onset), float(onset + rng.uniform(0.3, 1.2)), label))
        rows.append(Item(f"clip{item}", f"clip{item}.wav", labels=CLASSES, fold=item % 4 + 1, events=events))
        heard = np.array(
            [[any(e.label == c and e.onset_s <= t < e.offset_s for e in events) for c in CLASSES] for t in TIMES]
        )
        values = np.hstack([heard + noise * rng.normal(size=heard.shape), rng.normal(size=(len(TIMES), 2))])
        features.append(FrameFeatures(TIMES, values.astype(np.float32)))
    return Items.from_rows(rows, Path("sounds"), name="made"), Frames.of(features)


@pytest.fixture(scope="module")
def sounds():
    items, frames = made()
    return task_of(PROTOCOL, items), frames


def hear(times, probabilities, config, shortest_s):
    """Turian et al.'s events of one class, written out."""
    width = round(config.median_s / (times[1] - times[0]))
    padded = np.concatenate([probabilities[: width // 2][::-1], probabilities, probabilities[-(width // 2) :][::-1]])
    found, start = [], None
    for u in range(len(times) + 1):
        active = u < len(times) and np.median(padded[u : u + width]) > config.threshold
        if active and start is None:
            start = u
        if not active and start is not None:
            if times[u - 1] - times[start] >= shortest_s - 1e-9:
                found.append((times[start], times[u - 1]))
            start = None
    return found


@pytest.mark.parametrize("shortest_s", PROTOCOL.detection.shortest_s)
def test_events_are_made_as_hear_makes_them(shortest_s):
    rng = np.random.default_rng(0)
    smooth = np.array([np.convolve(rng.random(140), np.ones(5) / 5, "valid")[: len(TIMES)] for _ in range(2)]).T
    found = events_of(TIMES, smooth, CLASSES, PROTOCOL.detection, shortest_s)
    assert len(found) > 5
    for k, label in enumerate(CLASSES):
        ours = [event[:2] for event in found if event.label == label]
        assert ours == hear(TIMES, smooth[:, k], PROTOCOL.detection, shortest_s)


def test_what_is_always_heard_is_one_event_and_one_timestamp_is_none():
    config = PROTOCOL.detection
    assert events_of(TIMES, np.ones((len(TIMES), 1)), ["hum"], config, 0.125) == (Event(0.0, TIMES[-1], "hum"),)
    assert events_of(TIMES[:1], np.ones((1, 1)), ["hum"], config, 0.125) == ()


def test_a_timestamp_hears_from_onset_to_before_offset_and_no_event_is_lost():
    frames = Frames.of([FrameFeatures(TIMES, np.zeros((len(TIMES), 1), np.float32))] * 2)
    heard = frames.heard([[], [Event(0.1, 0.25, "bark"), Event(1.01, 1.02, "bell")]], CLASSES)
    assert not heard[: len(TIMES)].any()
    second = heard[len(TIMES) :]
    assert np.flatnonzero(second[:, 0]).tolist() == [2, 3, 4]
    assert np.flatnonzero(second[:, 1]).tolist() == [20]  # between 1.00 and 1.05, nearer to the former
    assert (frames.rows(np.array([1, 0]))[:3] == len(TIMES) + np.arange(3)).all()


def test_choice_and_events_equal_the_protocol_written_out(sounds):
    task, frames = sounds
    outcomes = predict(PROTOCOL, frames, task)
    one, outcome = task.rounds[1], outcomes[1]
    best, at = -1.0, None
    for strength in PROTOCOL.selection.strengths:
        for shortest_s in PROTOCOL.detection.shortest_s:
            pairs = [
                (task.events[item], events)
                for train, held in one.inner
                for item, events in zip(held, by_hand(task, frames, train, held, strength, shortest_s), strict=True)
            ]
            value = EventScores(*zip(*pairs, strict=True)).onset_f1()
            if value > best + 1e-12:
                best, at = value, {"C": strength, "shortest_s": shortest_s}
    assert outcome.chosen == at
    assert list(outcome.events) == by_hand(task, frames, one.train, one.test, *at.values())


def by_hand(task, frames, train, items, strength, shortest_s):
    rows, truth = frames.rows(train), frames.heard(task.events, task.classes)
    scaler = StandardScaler().fit(frames.values[rows].astype(float))
    heads = [
        LogisticRegression(C=strength, solver="newton-cg", tol=1e-7, max_iter=1000).fit(
            scaler.transform(frames.values[rows].astype(float)), truth[rows, k]
        )
        for k in range(len(CLASSES))
    ]
    found = []
    for item in items:
        x = scaler.transform(frames.values[frames.of_item(item)].astype(float))
        probabilities = np.stack([head.predict_proba(x)[:, 1] for head in heads], axis=1)
        found.append(events_of(TIMES, probabilities, CLASSES, PROTOCOL.detection, shortest_s))
    return found


def test_events_of_the_test_fold_change_nothing_that_is_found_in_it(sounds):
    task, frames = sounds
    honest = predict(PROTOCOL, frames, task)
    one = task.rounds[2]
    moved = tuple((Event(5.0, 5.9, "bark"),) if item in one.test else old for item, old in enumerate(task.events))
    other = predict(PROTOCOL, frames, replace(task, events=moved))
    assert list(other[2].events) == list(honest[2].events)
    assert other[2].chosen == honest[2].chosen


def test_the_score_is_that_of_the_outcomes_with_an_interval_around_it(sounds):
    task, frames = sounds
    score = run_task(PROTOCOL, frames, task)
    by_round = [
        EventScores([task.events[i] for i in one.test], outcome.events).onset_f1()
        for one, outcome in zip(task.rounds, predict(PROTOCOL, frames, task), strict=True)
    ]
    assert score.value == pytest.approx(np.mean(by_round))
    assert score.value > 0.6
    assert score.interval[0] <= score.value <= score.interval[1]
    assert score.metrics["segment_error_rate"] < 0.5
    assert len(score.draws) == PROTOCOL.interval.draws


def test_features_that_know_nothing_find_next_to_nothing():
    items, frames = made(noise=1000.0)
    assert run_task(PROTOCOL, frames, task_of(PROTOCOL, items)).value < 0.2


def test_more_timestamps_than_memory_are_thinned_and_it_is_told(sounds, monkeypatch):
    task, frames = sounds
    monkeypatch.setattr(detection, "ENTRIES", 6 * len(TIMES) * 4 // 2)
    score = run_task(PROTOCOL, frames, task)
    assert score.notes == ["only one in 2 training timestamps was learnt from, for their number"]
    assert score.value > 0.4


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("detection: {threshold: 0.5, median_s: 0.25, shortest_s: [0.125, 0.25]}\n", "", "go with detection"),
        ("{unit: frame, hop_s: 0.05}", "{unit: clip}", "the others without"),
        ("{events: [onset_f1,", "{single: [accuracy], events: [onset_f1,", "these alone"),
        ("[0.125, 0.25]", "[0.25, 0.125]", "ascending order"),
        ("head: {name: logistic_regression}", "head: {name: knn, k: 3, temperature: null}", "head knn"),
    ],
)
def test_parts_that_make_no_detection_are_refused(tmp_path, old, new, fault):
    path = tmp_path / "mine.yaml"
    text = list_protocols()["events_linear@1"].read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RecipeError, match=fault):
        load_protocol(str(path))

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiossl.data.items import Event, Item, Items
from audiossl.errors import DataError
from audiossl.evaluation.event_faults import check_events, overlapping
from audiossl.evaluation.measures.floors import floors
from audiossl.evaluation.task import make_task


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    sf.write(folder / "two.wav", np.zeros(32_000, np.float32), 16_000)
    return folder


def items_of(root, *events, **told):
    row = Item("two", "two.wav", labels=told.pop("labels", ["bark", "bell"]), events=events, **told)
    return Items.from_rows([row], root, name="made")


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([Event(1.0, 0.5, "bark")], "made: two: the event bark from 1 to 0.5 s ends before it starts"),
        ([Event(1.0, 1.0, "bark")], "ends before it starts"),
        ([Event(-0.5, 1.0, "bark")], "lies outside its item of 2 s"),
        ([Event(1.0, 2.5, "bark")], "the event bark from 1 to 2.5 s lies outside its item of 2 s"),
        ([Event(float("nan"), 1.0, "bark")], "has no time; write its onset and offset in seconds"),
        ([Event(0.0, 1.0, "owl")], "owl from 0 to 1 s is not among the item's labels .bark, bell."),
        ([Event(0.5, 1.0, "bark"), Event(0.5, 1.5, "bark")], "two events bark start at 0.5 s .to 1 and to 1.5 s."),
    ],
)
def test_what_cannot_be_an_event_is_refused_by_item_and_time(root, events, fault):
    with pytest.raises(DataError, match=fault):
        check_events(items_of(root, *events))


def test_many_faults_are_named_and_counted(root):
    with pytest.raises(DataError, match=r"(?s)(made: two: .*){5}and 2 more"):
        check_events(items_of(root, *[Event(3.0 + k, 4.0 + k, "bark") for k in range(7)]))


def test_what_can_be_is_kept(root):
    check_events(items_of(root, Event(0.0, 1.0, "bark"), Event(0.0, 2.05, "bell"), Event(1.0, 1.5, "bark")))
    check_events(items_of(root, Event(0.0, 1.0, "bark"), start_s=0.5, end_s=1.5))
    with pytest.raises(DataError, match="outside its item of 1 s"):
        check_events(items_of(root, Event(0.0, 1.5, "bark"), start_s=0.5, end_s=1.5))
    check_events(items_of(Path("nowhere"), Event(0.0, 9.0, "bark")))  # whoever embeds it will name the file


def test_overlaps_of_one_label_are_counted():
    events = [Event(0.0, 2.0, "bark"), Event(0.5, 1.0, "bark"), Event(1.5, 3.0, "bark"), Event(1.0, 2.0, "bell")]
    assert overlapping(events) == 2
    assert overlapping([Event(0.0, 1.0, "bark"), Event(1.0, 2.0, "bark")]) == 0


def test_a_class_that_training_lacks_is_refused_and_silence_is_the_floor(root):
    rows = [Item(f"c{k}", "two.wav", labels=["bark"], fold=k % 2, events=[Event(0.2, 0.8, "bark")]) for k in range(4)]
    task = make_task(Items.from_rows(rows, root, name="made"), when_missing=5, seed=0)
    assert task.target == "events"
    assert floors(task) == {"silence": {"onset_f1": 0, "segment_f1": 0, "segment_error_rate": 1}}
    rows[1::2] = [row._replace(labels=["owl"], events=[Event(0.2, 0.8, "owl")]) for row in rows[1::2]]
    with pytest.raises(DataError, match="bark is tested in 0 but never trained on"):
        make_task(Items.from_rows(rows, root, name="made"), when_missing=5, seed=0)

"""Made-up sets of both wings are the same for everyone, balanced, quickly made, and whole or not there."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from audiossl.audio.synth import LABELS as SOUNDS
from audiossl.audio.synth import make_sound, make_sounds
from audiossl.image.synth import LABELS as PICTURES
from audiossl.image.synth import make_image, make_images


class Wing(NamedTuple):
    """How one wing makes its set."""

    labels: Sequence[str]
    make_one: Callable[[int, int], Any]
    make_set: Callable[[str | Path, int, int], Path]
    place: str
    """Where `make_one` is."""


WINGS = [
    pytest.param(Wing(SOUNDS, make_sound, make_sounds, "audiossl.audio.synth.make_sound"), id="audio"),
    pytest.param(Wing(PICTURES, make_image, make_images, "audiossl.image.synth.make_image"), id="image"),
]


@pytest.fixture(params=WINGS)
def wing(request: pytest.FixtureRequest) -> Wing:
    return request.param


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_other_seed_other_bytes_whatever_the_number(wing: Wing, tmp_path: Path):
    made, again, other = (
        wing.make_set(tmp_path / name, n, seed).parent for name, n, seed in [("a", 15, 0), ("b", 9, 0), ("c", 9, 1)]
    )
    for row in table(again):
        name = row["file_name"]
        assert (again / name).read_bytes() == (made / name).read_bytes()
        assert (again / name).read_bytes() != (other / name).read_bytes()


def test_classes_and_folds_are_balanced_and_groups_stay_in_a_fold(wing: Wing):
    rows = [wing.make_one(index, 0).row for index in range(120)]
    assert set(Counter((row.label, row.fold) for row in rows).values()) == {2}
    assert {row.label for row in rows} == set(wing.labels)
    assert len(wing.labels) == 12
    folds_of_group = {(row.group, row.fold) for row in rows}
    assert len(folds_of_group) == len({group for group, _ in folds_of_group}) == 60
    assert len({row.file_name for row in rows}) == 120


def test_two_hundred_take_less_than_five_seconds(wing: Wing):
    start = time.process_time()
    for index in range(20):
        wing.make_one(index, 3)
    assert time.process_time() - start < 0.5


def test_the_table_names_every_file_and_is_written_last(wing: Wing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(index: int, seed: int) -> Any:
        if index == 3:
            raise KeyboardInterrupt
        return wing.make_one(index, seed)

    folder = wing.make_set(tmp_path / "whole", 5, 0).parent
    assert list(table(folder)[0]) == ["file_name", "label", "fold", "group"]
    assert {row["file_name"] for row in table(folder)} == {
        path.relative_to(folder).as_posix() for path in folder.glob("*/*")
    }
    monkeypatch.setattr(wing.place, fails)
    with pytest.raises(KeyboardInterrupt):
        wing.make_set(tmp_path / "cut", 5, 0)
    assert len(list((tmp_path / "cut").glob("*/*"))) == 3
    assert not (tmp_path / "cut" / "metadata.csv").exists()

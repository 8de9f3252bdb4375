"""The demo sounds are the same for everyone, balanced, and hard enough that only learning helps."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from audiossl.audio.decode import decode, probe
from audiossl.audio.synth import LABELS, SAMPLE_RATE, make_sound, make_sounds


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sounds(tmp_path_factory.mktemp("synth"), 120, 0).parent


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes_other_seed_other_bytes(made: Path, tmp_path: Path):
    again = make_sounds(tmp_path / "a", 15, 0).parent
    other = make_sounds(tmp_path / "b", 15, 1).parent
    for row in table(again):
        name = row["file_name"]
        assert (again / name).read_bytes() == (made / name).read_bytes()
        assert (again / name).read_bytes() != (other / name).read_bytes()


def test_a_sound_does_not_depend_on_how_many_are_made(made: Path):
    sound = make_sound(17, 0)
    stored = decode(made / sound.name, SAMPLE_RATE).samples
    np.testing.assert_allclose(stored, sound.samples, atol=1 / 32768)


def test_classes_and_folds_are_balanced_and_groups_stay_in_a_fold(made: Path):
    rows = table(made)
    assert set(Counter((row["label"], row["fold"]) for row in rows).values()) == {2}
    assert {row["label"] for row in rows} == set(LABELS)
    assert len(LABELS) >= 10
    folds_of_group = {(row["group"], row["fold"]) for row in rows}
    assert len(folds_of_group) == len({group for group, _ in folds_of_group}) == 60


def test_every_sound_is_sound(made: Path):
    for row in table(made):
        info, sound = probe(made / row["file_name"]), decode(made / row["file_name"], None)
        assert (info.sample_rate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert 1.5 <= info.duration_s <= 2.0
        assert 0.01 < np.abs(sound.samples).max() <= 1.0
        assert not sound.silent


def test_loudness_tells_nothing_of_the_class(made: Path):
    levels = {label: [] for label in LABELS}
    for row in table(made):
        samples = decode(made / row["file_name"], None).samples
        levels[row["label"]].append(20 * np.log10(np.abs(samples).max()))
    within = np.mean([np.std(level) for level in levels.values()])
    between = np.std([np.mean(level) for level in levels.values()])
    assert between < 0.5 * within


def test_two_hundred_sounds_take_less_than_five_seconds():
    start = time.process_time()
    for index in range(20):
        make_sound(index, 3)
    assert time.process_time() - start < 0.5


def test_the_table_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(index: int, seed: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("audiossl.audio.synth.make_sound", fails)
    with pytest.raises(KeyboardInterrupt):
        make_sounds(tmp_path, 5, 0)
    assert not (tmp_path / "metadata.csv").exists()

"""The demo sounds are sound, and only learning tells them apart (what both wings promise: tests/test_synth.py)."""

from __future__ import annotations

import csv
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


def test_what_is_stored_is_the_sound(made: Path):
    sound = make_sound(17, 0)
    stored = decode(made / sound.row.file_name, SAMPLE_RATE).samples
    np.testing.assert_allclose(stored, sound.samples, atol=1 / 32768)


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

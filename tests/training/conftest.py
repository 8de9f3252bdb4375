"""A run small enough for a test: two dozen sounds of a tenth of a second, a network of a few thousand weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiossl.recipe.schema import Recipe

RATE = 4000


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def sounds(tmp_path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(24):
        seconds = np.arange(RATE // 2) / RATE
        tone = np.sin(2 * np.pi * (200 + 60 * number) * seconds) + 0.3 * generator.standard_normal(len(seconds))
        soundfile.write(folder / f"{number:02}.wav", 0.3 * tone, RATE)
    return folder


def tiny_recipe(folder: Path, **changes) -> Recipe:
    told = {
        "name": "tiny",
        "data": {"manifest": str(folder), "crop_s": 0.1},
        "frontend": {
            "name": "logmel",
            "sample_rate": RATE,
            "n_fft": 256,
            "window_length": 256,
            "hop": 40,
            "n_mels": 16,
            "f_min": 50,
            "f_max": 1900,
        },
        "encoder": {"name": "audiontt2020", "dim": 16},
        "method": {"name": "simclr", "head": "16 bn relu 8"},
        "training": {"batch_size": 8, "epochs": None, "steps": 6, "threads": 1, "checkpoint_every_steps": 2},
        "monitors": {"k": 3},
    }
    for section, values in changes.items():
        told[section] = {**told.get(section, {}), **values} if isinstance(values, dict) else values
    return Recipe.model_validate(told)


@pytest.fixture
def recipe(sounds) -> Recipe:
    return tiny_recipe(sounds)

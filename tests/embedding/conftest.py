"""A tiny encoder and a few synthetic sounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.schema import Recipe

RATE = 16_000


def chirp(seconds: float, hz: float = 200.0, rate: int = RATE) -> np.ndarray:
    """A rising tone with a little noise, float32, all of it different."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(round(hz)).normal(0, 0.01, len(t))
    return (0.4 * np.sin(2 * np.pi * (hz + 100 * t) * t) + noise).astype(np.float32)


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    recipe = Recipe(name="tiny", encoder=AudioNtt2020Config(dim=32))
    return untrained_bundle(recipe, Statistics(mean=-7.0, std=4.0, items=3), seed=1)


@pytest.fixture(scope="session")
def model(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "encoder.safetensors"
    save_bundle(path, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics)
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of chirps of the given lengths, named a.wav, b.wav, ..."""

    def make(*seconds: float, folder: str = "sounds") -> Path:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        for index, length in enumerate(seconds):
            sf.write(place / f"{chr(97 + index)}.wav", chirp(length, 200 + 50 * index), RATE, subtype="FLOAT")
        return place

    return make

"""What stands beside every score: untrained twins of the encoder, plain statistics of the sound.

A learned embedding is worth its gain over these. Six pooled statistics of a log-mel spectrogram reach 85 % on ESC-10,
and so do random weights in a good architecture.

Letters: N items, F mel bands or cepstral coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiossl.audio.decode import decode
from audiossl.audio.statistics import RATE, SETTINGS, STATISTICS, six_statistics, spectrogram
from audiossl.bundle.bundle import Bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Items
from audiossl.devices import cores
from audiossl.errors import AudioError, DataError
from audiossl.evaluation.features.source import Features
from audiossl.evaluation.scores import Kind
from audiossl.progress import Progress

PLAIN = {"log-mel statistics": SETTINGS["logmel"], "MFCC statistics": SETTINGS["mfcc"]}
"""Rows of the table and the settings of their spectrograms."""


@dataclass(frozen=True)
class Baseline:
    """Features to score beside the pretrained ones, and all that decides them."""

    kind: Kind
    name: str
    models: list[int]
    """Of which models it is the untrained twin."""
    seed: int | None
    key: dict[str, Any]
    """Plain data that decides the features of given files: the key of the cache."""
    encoder: Callable[[], Bundle] | None = None
    """Of an untrained twin."""
    plain: Callable[[Items, Progress], Features] | None = None
    """Of features without an encoder."""


def baselines(bundles: list[Bundle], seeds: Sequence[int]) -> list[Baseline]:
    """The untrained twins of every distinct architecture, and plain statistics of the sounds."""
    twins: dict[str, list[int]] = {}
    for number, bundle in enumerate(bundles):
        twins.setdefault(repr(_architecture(bundle)), []).append(number)
    found = [_untrained(bundles[models[0]], models, seed) for models in twins.values() for seed in seeds]
    plain = Plain()
    for name, settings in PLAIN.items():
        key = {"statistics": STATISTICS, "rate": RATE, "settings": settings, "librosa": version("librosa")}
        found.append(Baseline("statistics", name, [], None, key, plain=partial(plain.features, name)))
    return found


def _architecture(bundle: Bundle) -> dict[str, Any]:
    """All that makes a random embedding but the seed."""
    sections = bundle.recipe.model_dump(mode="json", include={"modality", "encoder", "frontend", "embedding"})
    return {**sections, "statistics": [bundle.statistics.mean, bundle.statistics.std, bundle.statistics.scale]}


def _untrained(bundle: Bundle, models: list[int], seed: int) -> Baseline:
    name = f"untrained {bundle.recipe.encoder.name}"
    key = {"untrained": seed, "torch": torch.__version__, **_architecture(bundle)}
    return Baseline(
        "untrained", name, models, seed, key, lambda: untrained_bundle(bundle.recipe, bundle.statistics, seed)
    )


@dataclass
class Plain:
    """Six statistics over time of each band of plain spectrograms; every sound is decoded once for all of them."""

    _known: dict[str, Features] = field(default_factory=dict)

    def features(self, name: str, items: Items, progress: Progress) -> Features:
        """Those of one entry of `PLAIN`, (N, 6 F) float32, in the order of `items`, which are always the same.

        Raises:
            DataError: a file cannot be read.
        """
        if not self._known:
            self._known = plain_statistics(items, progress)
        return self._known[name]


def plain_statistics(items: Items, progress: Progress) -> dict[str, Features]:
    """For each entry of `PLAIN` (N, 6 F) float32, in the order of `items` (raises `DataError` at a bad file)."""
    rows = list(zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True))
    found: list[list[Features]] = []
    progress.start("plain statistics", len(rows), "clips")
    try:
        with ThreadPoolExecutor(cores()) as pool:
            for one in pool.map(lambda row: _statistics(*row), rows):
                found.append(one)
                progress.advance()
    except AudioError as error:
        raise DataError(f"{error}; mend or remove the file, or leave it out with --skip-failed") from error
    finally:
        progress.close()
    return {name: np.stack(values) for name, values in zip(PLAIN, zip(*found, strict=True), strict=True)}


def _statistics(path: Path, start_s: float | None, end_s: float | None) -> list[Features]:
    start_s = start_s or 0.0
    duration_s = None if end_s is None else end_s - start_s
    samples = decode(path, RATE, start_s=start_s, duration_s=duration_s).samples
    return [six_statistics(spectrogram(samples, **settings)) for settings in PLAIN.values()]

"""What stands beside every score: untrained twins of the encoder, and plain features that nobody has learnt.

A learned embedding is worth its gain over these. Six pooled statistics of a log-mel spectrogram reach 85 % on ESC-10,
and so do random weights in a good architecture.

Letters: N items, S prepared values of one, D features.
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

from audiossl.bundle.bundle import Bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Items
from audiossl.devices import cores
from audiossl.errors import DataError, MediaError
from audiossl.evaluation.features.source import Features
from audiossl.evaluation.scores import Kind
from audiossl.media import Plain
from audiossl.modality import Modality
from audiossl.progress import Progress


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
    """The untrained twins of every distinct architecture, and the plain features of their modality."""
    twins: dict[str, list[int]] = {}
    for number, bundle in enumerate(bundles):
        twins.setdefault(repr(_architecture(bundle)), []).append(number)
    found = [_untrained(bundles[models[0]], models, seed) for models in twins.values() for seed in seeds]
    rows = PlainRows(bundles[0].modality)
    for plain in rows.modality.plain():
        key = {"plain": plain.name, "settings": plain.settings, plain.package: version(plain.package)}
        found.append(Baseline("statistics", plain.title, [], None, key, plain=partial(rows.features, plain.name)))
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
class PlainRows:
    """All plain features of a modality; every file is decoded once for all of them."""

    modality: Modality
    _known: dict[str, Features] = field(default_factory=dict)

    def features(self, name: str, items: Items, progress: Progress) -> Features:
        """Those called `name` (N, D) float32, in the order of `items`, which are always the same.

        Raises:
            DataError: a file cannot be read.
        """
        if not self._known:
            self._known = plain_features(self.modality, items, progress)
        return self._known[name]


def plain_features(modality: Modality, items: Items, progress: Progress) -> dict[str, Features]:
    """Each plain feature's (N, D) float32 by its name, in the order of `items` (raises `DataError` at a bad file)."""
    plain = modality.plain()
    rows = list(zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True))
    at_once = min(one.at_once for one in plain)
    parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    found: list[list[Features]] = []
    progress.start("plain statistics", len(rows), modality.nouns)
    try:
        with ThreadPoolExecutor(cores()) as pool:
            for values in pool.map(partial(_features, plain), parts):
                found.append(values)
                progress.advance(len(values[0]))
    except MediaError as error:
        raise DataError(f"{error}; mend or remove the file, or leave it out with --skip-failed") from error
    finally:
        progress.close()
    return {one.name: np.concatenate(values) for one, values in zip(plain, zip(*found, strict=True), strict=True)}


def _features(plain: Sequence[Plain], rows: Sequence[tuple[Path, float | None, float | None]]) -> list[Features]:
    x_BS = np.stack([plain[0].read(*row) for row in rows])
    return [one.features(x_BS) for one in plain]

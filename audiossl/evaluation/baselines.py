"""What stands beside every score: untrained twins of the encoder, log-mel statistics, guessing.

A learned embedding is worth its gain over these. Six pooled statistics of a log-mel spectrogram reach 85 % on ESC-10,
and so do random weights in a good architecture.

Letters: N items, F mel bands, T frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from audiossl.audio.decode import decode
from audiossl.audio.frontend import FrontEnd, build_frontend
from audiossl.bundle.bundle import Bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Items
from audiossl.devices import cores
from audiossl.errors import AudioError, DataError
from audiossl.evaluation.scores import Kind
from audiossl.evaluation.source import Features
from audiossl.evaluation.task import Task
from audiossl.progress import Progress
from audiossl.recipe.frontends import LogMelConfig

STATISTICS_NAME = "log-mel statistics"


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
    """The untrained twins of every distinct architecture, and the log-mel statistics."""
    twins: dict[str, list[int]] = {}
    for number, bundle in enumerate(bundles):
        twins.setdefault(repr(_architecture(bundle)), []).append(number)
    found = [_untrained(bundles[models[0]], models, seed) for models in twins.values() for seed in seeds]
    config = LogMelConfig()
    key = {"statistics": 6, "frontend": config.model_dump(mode="json")}
    return [*found, Baseline("statistics", STATISTICS_NAME, [], None, key, plain=logmel_statistics)]


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


def logmel_statistics(items: Items, progress: Progress) -> Features:
    """Mean, deviation, least, greatest, median, and deviation of the difference over time of each of 64 log-mel bands.

    Returns:
        (N, 384) float32, in the order of `items`.

    Raises:
        DataError: a file cannot be read.
    """
    frontend = build_frontend(LogMelConfig())
    rows = list(zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True))
    features = []
    progress.start(STATISTICS_NAME, len(rows), "clips")
    try:
        with ThreadPoolExecutor(cores()) as pool:
            for one in pool.map(lambda row: _statistics(frontend, *row), rows):
                features.append(one)
                progress.advance()
    except AudioError as error:
        raise DataError(f"{error}; mend or remove the file, or leave it out with --skip-failed") from error
    finally:
        progress.close()
    return np.stack(features)


def _statistics(frontend: FrontEnd, path: Any, start_s: float | None, end_s: float | None) -> Features:
    start_s = start_s or 0.0
    duration_s = None if end_s is None else end_s - start_s
    sound = decode(path, frontend.config.sample_rate, start_s=start_s, duration_s=duration_s)
    return six_statistics(frontend(torch.from_numpy(frontend.prepare(sound.samples))[None])[0, 0].numpy())


def six_statistics(x_FT: Features) -> Features:
    """(6 F,) float32: mean, deviation, min, max, median over time, and deviation of the difference between frames.

    A spectrogram of one frame has differences of deviation 0.
    """
    steps = np.diff(x_FT, axis=1) if x_FT.shape[1] > 1 else np.zeros_like(x_FT)
    parts = [x_FT.mean(1), x_FT.std(1), x_FT.min(1), x_FT.max(1), np.median(x_FT, axis=1), steps.std(1)]
    return np.concatenate(parts).astype(np.float32)


def floors(task: Task) -> dict[str, dict[str, float]]:
    """What no embedding is needed for, by name: metric to value, mean over folds.

    `chance` names any class with equal probability; `most frequent class` always says that of the training items.
    """
    if task.target != "single":
        return {}
    hits = [(task.labels[one.test] == np.bincount(task.labels[one.train]).argmax()).mean() for one in task.rounds]
    classes = [len(np.unique(task.labels[one.test])) for one in task.rounds]
    any_class = 1.0 / len(task.classes)
    return {
        "most frequent class": {
            "accuracy": float(np.mean(hits)),
            "macro_accuracy": float(np.mean(np.divide(1, classes))),
        },
        "chance": {"accuracy": any_class, "macro_accuracy": any_class},
    }

"""Rounds that are finished, kept in the user's cache folder: an evaluation that was killed goes on with the next one.

A round is found by the SHA-256 of all that decides it. What cannot be read back is trained again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from audiossl import files
from audiossl.devices import choose_device, multiplies_bf16
from audiossl.errors import WriteError
from audiossl.evaluation.cache import digest
from audiossl.evaluation.outcome import Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.task import Round, Task
from audiossl.version import __version__


def round_path(protocol: Protocol, start: dict[str, Any], fingerprint: str, task: Task, one: Round, seed: int) -> Path:
    """The file that keeps the outcome of round `one`.

    Args:
        protocol: all its numbers count.
        start: plain data that decides the weights before the first step.
        fingerprint: of the data, see `cache.data_fingerprint`.
        task: gives the labels that are learnt from.
        one: the round; its name does not count.
        seed: of this repeat.
    """
    device = choose_device("auto")
    told = {
        "protocol": protocol.hash,
        "start": start,
        "data": fingerprint,
        "train": [(item, task.label_lists[item]) for item in one.train.tolist()],
        "test": one.test.tolist(),
        "classes": len(task.classes),
        "seed": seed,
        "precision": [device.type, multiplies_bf16(device)],
        "versions": [__version__, torch.__version__],
    }
    return files.cache_folder() / "rounds" / f"{digest(told)}.safetensors"


def recall(path: Path) -> Outcome | None:
    """What is kept at `path`; None when there is nothing, or nothing that can be read."""
    try:
        return Outcome(load(path.read_bytes())["scores"])
    except (OSError, SafetensorError, KeyError):
        return None


def keep(path: Path, outcome: Outcome) -> None:
    """Keep an outcome; a cache that cannot be written is only slower, so that is no error."""
    try:
        files.write_bytes(path, save({"scores": outcome.scores}))
    except WriteError:
        return

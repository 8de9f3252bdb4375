"""Baseline scores kept in the user's cache folder: the untrained twins of a recipe are the same in every evaluation.

A score is found by the SHA-256 of everything that decides it: what makes the features, the protocol, the files with
their size and date, labels, groups and split. Whatever cannot be read back is measured again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audiossl import files
from audiossl.data.items import Items
from audiossl.errors import WriteError
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.scores import Health, Record, Score
from audiossl.version import __version__


class Kept(Record):
    """One file of the cache."""

    score: Score
    health: Health
    dim: int


def digest(value: Any) -> str:
    """SHA-256 of plain data as canonical JSON, 64 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def data_fingerprint(items: Items) -> str:
    """SHA-256 of what is read and what is to be predicted: rows, states of files, labels, events, groups, split."""
    truth = [items.column("labels"), items.column("events")]
    return digest([items.fingerprint, items.split_hash, truth, items.groups(), _states(items)])


def place(features: Mapping[str, Any], protocol: Protocol, fingerprint: str) -> Path:
    """The file that keeps the score of such features under `protocol` on such data."""
    name = digest({"features": features, "protocol": protocol.hash, "data": fingerprint, "audiossl": __version__})
    return files.cache_folder() / "evaluation" / f"{name}.json"


def recall(path: Path) -> Kept | None:
    """What is kept at `path`; None when there is nothing, or nothing that can be read."""
    try:
        return Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def keep(path: Path, kept: Kept) -> None:
    """Keep a score; a cache that cannot be written is only slower, so that is no error."""
    try:
        files.write_json(path, kept.model_dump(mode="json"))
    except WriteError:
        return


def _states(items: Items) -> list[tuple[int, int]]:
    states = {}
    for path in dict.fromkeys(items.paths()):
        try:
            status = path.stat()
            states[path] = (status.st_size, status.st_mtime_ns)
        except OSError:
            states[path] = (-1, -1)
    return [states[path] for path in items.paths()]

"""Stores with whatever embeddings a test wants, written by the real writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiossl.audio.reading import SoundReader
from audiossl.data.items import Item
from audiossl.embedding.jobs import Embedded, Job
from audiossl.embedding.ledger import Stamp
from audiossl.embedding.writer import StoreWriter


def write_store(
    folder: Path, items: Sequence[Item], windows: Sequence[np.ndarray], *, shard_items: int = 1000, seed: int = 0
) -> Path:
    """A store whose item i has the windows (W, D) `windows[i]`, half a second apart; written in a shuffled order."""
    dim = windows[0].shape[1] if windows else 4
    about = {"audiossl": "0", "torch": "0", "model": {"recipe": "made up", "encoder": {"name": "none"}}}
    made = {"columns": SoundReader.columns, "shard_items": shard_items, "shard_s": 1e9}
    writer = StoreWriter(folder, lambda: about, {"model": "0" * 64}, dim, **made)
    for at in np.random.default_rng(seed).permutation(len(items)):
        item, rows = items[at], np.asarray(windows[at], np.float32)
        start_s = np.arange(len(rows)) * 0.5 + (item.start_s or 0.0)
        job = Job(int(at), Path(item.path), item.start_s, item.end_s)
        met = dict(zip(SoundReader.columns, (len(rows) * 0.5, 16_000, False, False, 0), strict=True))
        writer.add(item, Stamp(1, 1), Embedded(job, start_s, start_s + 0.5, rows, met))
    writer.flush()
    return folder


def sound(name: str, *labels: str, **columns: object) -> Item:
    return Item(id=name, path=f"/sounds/{name}", labels=list(labels), **columns)

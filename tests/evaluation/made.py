"""Made-up embeddings and items for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audiossl.data.items import Item, Items


def items_of(labels, folds=None, groups=None, splits=None, crossing=0):
    rows = [
        Item(
            id=f"clip{i}",
            path=f"clip{i}.wav",
            labels=[] if label is None else [str(label)],
            fold=None if folds is None else int(folds[i]),
            group=None if groups is None else str(groups[i]),
            split=None if splits is None else splits[i],
        )
        for i, label in enumerate(labels)
    ]
    return Items.from_rows(rows, Path("sounds"), name="made", crossing_groups=crossing)


def blobs(n=120, classes=4, dim=12, folds=4, spread=1.6, seed=0):
    """Overlapping Gaussian classes: (features, labels, folds)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = rng.normal(size=(classes, dim))
    return centres[labels] + spread * rng.normal(size=(n, dim)), labels, (np.arange(n) // classes) % folds + 1

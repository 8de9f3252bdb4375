"""What `audiossl embed` made, in Python.

import audiossl

clips = audiossl.embeddings.open("embeddings/")
clips.numpy(), clips.pandas(), clips.torch(), clips.windows.where(label="dog").table()
audiossl.embeddings.search("embeddings/", "bark.wav", k=5)
audiossl.embeddings.duplicates("embeddings/", threshold=0.99)
audiossl.embeddings.export("embeddings/", "embeddings.npz", to="npz")
"""

from __future__ import annotations

from pathlib import Path

from audiossl.embedding.export import export as export
from audiossl.embedding.near_duplicates import duplicates as duplicates
from audiossl.embedding.search import search as search
from audiossl.embedding.store import Kind, open_store
from audiossl.embedding.view import Embeddings as Embeddings

__all__ = ["Embeddings", "duplicates", "export", "open", "search"]


def open(folder: str | Path, kind: Kind = "clips") -> Embeddings:
    """The embeddings in `folder`, to be read as NumPy, Arrow, pandas or torch have them; nothing is read before.

    Args:
        folder: where `audiossl embed` put them.
        kind: `clips`, a row per file, or `windows`; `.clips` and `.windows` change from one to the other.

    Raises:
        DataError: there are none, or the index is damaged.
    """
    return Embeddings(open_store(folder), kind)

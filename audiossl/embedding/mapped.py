"""One `.npy` beside the Parquet of a store, for those who want a memory map.

Its name holds the hash of the shards it was made of, so it can never be taken for what is no longer there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiossl import files
from audiossl.embedding.store import Kind, Rows, Store
from audiossl.errors import UsageError
from audiossl.places.folder import Remote

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array


def find_map(store: Store, kind: Kind) -> Path | None:
    """The file of `kind` where there is one of the store's present rows; never of a store elsewhere."""
    if isinstance(store.folder, Remote):
        return None
    path = beside(store, kind, ".npy")
    return path if path.is_file() else None


def make_map(store: Store, kind: Kind) -> Array:
    """The embeddings (N, D) of `kind`, mapped read-only; their file is made where it is missing.

    Raises:
        WriteError: the folder cannot be written or the disk is full.
        UsageError: the store is elsewhere.
    """
    path, count = beside(store, kind, ".npy"), store.count(kind)
    if not path.is_file():
        with files.atomic_path(path, needs_bytes=4 * count * store.embedding_dim) as part:
            write_map(store.blocks(kind), count, store.embedding_dim, part)
        forget_older(path)
    mapped: Array = np.load(path, mmap_mode="r")
    return mapped


def write_map(blocks: Iterable[tuple[Rows, Array]], count: int, embedding_dim: int, path: str | Path) -> Array:
    """Write blocks of rows and their places as one `.npy` (N, D), in memory of one block; gives it mapped."""
    mapped: Array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, embedding_dim))
    for places, x_nD in blocks:
        mapped[places] = x_nD
    mapped.flush()  # type: ignore[attr-defined]
    return mapped


def beside(store: Store, kind: Kind, suffix: str) -> Path:
    """The name of a file that holds the store's present rows of `kind` in another form.

    Raises:
        UsageError: the store is elsewhere, where nothing can be mapped or indexed.
    """
    if isinstance(store.folder, Remote):
        raise UsageError(f"{store.folder} is a URL; copy the folder here for a memory map or a faiss index")
    return store.folder / f"{kind}-{store.fingerprint(kind)[:16]}{suffix}"


def forget_older(path: Path) -> None:
    """Remove files like `path`, from `beside`, that hold rows of before."""
    kind, _, suffix = path.name.partition("-")
    for other in path.parent.glob(f"{kind}-*{suffix[16:]}"):
        if other != path:
            other.unlink(missing_ok=True)

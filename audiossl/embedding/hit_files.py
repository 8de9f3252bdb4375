"""Hits as files, to listen to or to look at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl import files
from audiossl.embedding.search import Found
from audiossl.embedding.store import open_store
from audiossl.errors import MediaError
from audiossl.places.fetch import at_hand


@dataclass(frozen=True)
class SavedHits:
    """The files written, and a sentence for each hit that cannot be read."""

    paths: list[Path]
    failures: list[str]


def save_hits(folder: str | Path, found: Sequence[Found], out: Path) -> SavedHits:
    """Write every hit as a file of its own, such as `01_0.9312_name.wav`.

    A sound is written from the start to the end of its row, as mono at its file's own rate; a picture as its file is.
    Several queries have a folder each, named by number and query.

    Args:
        folder: the store that was searched.
        found: what was found in it.
        out: made where it is missing.

    Raises:
        WriteError: the place cannot be written or the disk is full.
    """
    modality = open_store(folder).modality
    saved = SavedHits([], [])
    for number, one in enumerate(found, 1):
        place = out if len(found) == 1 else out / f"{_digits(number, len(found))}_{_plain(one.query)}"
        for rank, hit in enumerate(one.hits, 1):
            try:
                with at_hand(hit.path) as path:
                    excerpt = modality.excerpt(path, hit.start_s, hit.end_s)
            except MediaError as error:
                saved.failures.append(str(error))
                continue
            name = f"{_digits(rank, len(one.hits))}_{hit.similarity:.4f}_{_plain(hit.path)}{excerpt.suffix}"
            files.write_bytes(place / name, excerpt.content)
            saved.paths.append(place / name)
    return saved


def _digits(number: int, of: int) -> str:
    return str(number).zfill(max(2, len(str(of))))


def _plain(name: str) -> str:
    """The stem of a path, with nothing in it that a file system could mind."""
    return re.sub(r"[^\w.-]+", "_", Path(name).stem)[:80] or "hit"

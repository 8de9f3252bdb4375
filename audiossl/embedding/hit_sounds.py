"""Hits as sound files, to listen to."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from audiossl import files
from audiossl.audio.decode import decode
from audiossl.embedding.search import Found
from audiossl.errors import AudioError
from audiossl.places.fetch import at_hand


@dataclass(frozen=True)
class SavedSounds:
    """The files written, and a sentence for each hit whose sound cannot be read."""

    paths: list[Path]
    failures: list[str]


def save_sounds(found: Sequence[Found], out: Path) -> SavedSounds:
    """Write every hit as `01_0.9312_name.wav`: mono, at its file's own rate, from the start to the end of its row.

    Several queries have a folder each, named by number and query. 16 bits, or floats where a sample is beyond full
    scale.

    Raises:
        WriteError: the place cannot be written or the disk is full.
    """
    saved = SavedSounds([], [])
    for number, one in enumerate(found, 1):
        folder = out if len(found) == 1 else out / f"{_digits(number, len(found))}_{_plain(one.query)}"
        for rank, hit in enumerate(one.hits, 1):
            name = f"{_digits(rank, len(one.hits))}_{hit.similarity:.4f}_{_plain(hit.path)}.wav"
            try:
                with at_hand(hit.path) as path:
                    sound = decode(path, None, start_s=hit.start_s, duration_s=hit.end_s - hit.start_s)
            except AudioError as error:
                saved.failures.append(str(error))
                continue
            subtype = "PCM_16" if abs(sound.samples).max() < 1 else "FLOAT"
            content = io.BytesIO()
            sf.write(content, sound.samples, sound.sample_rate, format="WAV", subtype=subtype)
            files.write_bytes(folder / name, content.getvalue())
            saved.paths.append(folder / name)
    return saved


def _digits(number: int, of: int) -> str:
    return str(number).zfill(max(2, len(str(of))))


def _plain(name: str) -> str:
    """The stem of a path, with nothing in it that a file system could mind."""
    return re.sub(r"[^\w.-]+", "_", Path(name).stem)[:80] or "sound"

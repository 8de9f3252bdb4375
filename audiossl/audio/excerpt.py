"""A part of a sound as a file to listen to."""

from __future__ import annotations

import io
from pathlib import Path

import soundfile as sf

from audiossl.audio.decode import decode_part
from audiossl.media import Excerpt


def excerpt(path: Path, start_s: float | None, end_s: float | None) -> Excerpt:
    """From `start_s` to `end_s` as a WAV: mono, at the file's own rate (raises `AudioError`).

    16 bits, or floats where a sample is beyond full scale.
    """
    sound = decode_part(path, None, start_s, end_s)
    content = io.BytesIO()
    subtype = "PCM_16" if abs(sound.samples).max() < 1 else "FLOAT"
    sf.write(content, sound.samples, sound.sample_rate, format="WAV", subtype=subtype)
    return Excerpt(".wav", content.getvalue())

"""One open sound file: every check before a sample is trusted.

Promise: a path that is not a readable sound file of sane rate and channels raises `AudioError` at once and never
hangs (a FIFO is not opened for reading, a folder or device is not opened at all). What a file is, is told by its
content, not by its suffix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import FileIO
from math import ceil
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile as sf

from audiossl.audio.quiet import quiet_c_stderr
from audiossl.errors import AudioError
from audiossl.opening import open_regular

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 64
MAX_PEAK = 1e4
"""Full scale is 1; anything above this is not sound but a damaged or misread file."""

_MP3_PREROLL = 24 * 1152
"""Samples decoded and thrown away after a seek in an MP3. A frame takes up to 511 bytes of its data from the frames
before it; without them libmpg123 gives silence or garbage for up to 0.3 s (12 x 1152 mended every case tried).
soundfile seeks after each read too, so every read of an MP3 begins with this."""

_STREAMED_SIZE = 0xFFFFFFFF
"""The chunk size that a writer to a pipe leaves: unknown, hence no promise."""

_MOST_BYTES = 0xFFFFFFFF
"""Of samples that a header with sizes of 32 bits can promise."""

_CHUNKED: dict[tuple[bytes, bytes], tuple[Literal["little", "big"], bytes]] = {
    (b"RIFF", b"WAVE"): ("little", b"data"),
    (b"RF64", b"WAVE"): ("little", b"data"),
    (b"RIFX", b"WAVE"): ("big", b"data"),
    (b"FORM", b"AIFF"): ("big", b"SSND"),
    (b"FORM", b"AIFC"): ("big", b"SSND"),
}
"""Form and kind of a chunked file: its byte order, and the chunk that holds the samples."""

_CAUSES = {
    1: "is not a sound file of a known format (wav, flac, ogg, opus, mp3, aiff, au, caf)",
    24: "has a header without a sample rate",
}
"""What libsndfile's error codes mean, where its own words would not tell a user."""


class SoundFile:
    """An open file, read as float32 mono.

    Attributes:
        path, sample_rate (Hz), channels, format, subtype: as the file says.
        frames: frames that can be read, as far as libsndfile knows.
        promised: frames that the header says there are; more than `frames` when a WAV or AIFF was cut.
    """

    def __init__(self, path: str | Path, file: sf.SoundFile, promised: int) -> None:
        self.path = path
        self.sample_rate: int = file.samplerate
        self.channels: int = file.channels
        self.format: str = file.format
        self.subtype: str = file.subtype
        self.frames: int = file.frames
        self.promised = max(promised, self.frames)
        self._file = file

    def read(self, first: int, frames: int, nonfinite: str) -> tuple[np.ndarray, int]:
        """Read from frame `first` on.

        Returns:
            (at most `frames`,) float32, the mean of the channels; and how many non-finite samples were set to 0.

        Raises:
            AudioError: damaged, not finite (unless `nonfinite` is "zero"), or far above full scale.
        """
        preroll = min(first, _MP3_PREROLL) if self.format == "MP3" else 0
        with self._decoding(first):
            if first:
                self._file.seek(first - preroll)
            data: np.ndarray = self._file.read(preroll + frames, dtype="float32", always_2d=True)[preroll:]
        mono, zeroed = downmix(data), 0
        if len(mono) == 0:
            return mono, 0
        low, high = float(mono.min()), float(mono.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = ~np.isfinite(data)
            if nonfinite != "zero":
                index = first + int(np.argmax(bad.any(axis=1)))
                raise AudioError(self.path, f"sample {index} is not finite", index / self.sample_rate)
            zeroed = int(bad.sum())
            mono = downmix(np.where(bad, np.float32(0), data))
            low, high = float(mono.min()), float(mono.max())
        if max(-low, high) > MAX_PEAK:
            index = first + int(np.argmax(np.abs(mono)))
            cause = f"peak {max(-low, high):.3g} is far above full scale 1"
            raise AudioError(self.path, cause, index / self.sample_rate)
        return mono, zeroed

    @contextmanager
    def _decoding(self, frame: int) -> Iterator[None]:
        try:
            with quiet_c_stderr() if self.format == "MP3" else nullcontext():
                yield
        except sf.LibsndfileError as error:
            cause = f"is damaged ({error.error_string.strip().removeprefix('Error : ').rstrip('.')})"
            raise AudioError(self.path, cause, frame / self.sample_rate if frame else None) from error
        except MemoryError as error:
            raise AudioError(self.path, f"says it has {self.promised:,} frames, too many for this memory") from error


def downmix(data_SC: np.ndarray) -> np.ndarray:
    """The mean over channels of (S, C) float32, as (S,) float32; no copy for one channel."""
    channels = data_SC.shape[1]
    if channels == 1:
        return data_SC[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):
        return data_SC @ np.full(channels, 1 / channels, dtype=np.float32)


@contextmanager
def open_sound(path: str | Path) -> Iterator[SoundFile]:
    """Open a sound file after checking what it is.

    Raises:
        AudioError: missing, not a regular file, not permitted, empty, no sound format, a rate outside 1,000 to
            768,000 Hz, more than 64 channels, or no samples.
    """
    with open_regular(path, "a sound file", AudioError) as file:
        promised_ratio, looks_mp3 = _promised_ratio(path, file), _looks_mp3(file)
        file.seek(0)
        try:
            # libsndfile scans a whole MP3 on opening, so its remarks begin here.
            with quiet_c_stderr() if looks_mp3 else nullcontext():
                sound = sf.SoundFile(file.fileno(), closefd=False)
        except (sf.SoundFileError, ValueError, TypeError) as error:
            raise AudioError(path, _cause(error)) from error
        with sound:
            _check(path, sound)
            yield SoundFile(path, sound, ceil(sound.frames * promised_ratio))


def _check(path: str | Path, file: sf.SoundFile) -> None:
    if not MIN_RATE <= file.samplerate <= MAX_RATE:
        raise AudioError(path, f"sample rate {file.samplerate} Hz is outside {MIN_RATE:,} to {MAX_RATE:,} Hz")
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise AudioError(path, f"has {file.channels} channels; 1 to {MAX_CHANNELS} can be read")
    if file.frames < 1:
        raise AudioError(path, "has no samples")


def _cause(error: Exception) -> str:
    if isinstance(error, sf.LibsndfileError):
        if error.code in _CAUSES:
            return _CAUSES[error.code]
        return f"cannot be read ({error.error_string.strip().removeprefix('Error : ').rstrip('.')})"
    return f"cannot be read ({error})"


def _looks_mp3(file: FileIO) -> bool:
    file.seek(0)
    head = file.read(3)
    return head == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


def _promised_ratio(path: str | Path, file: FileIO) -> float:
    """Bytes of samples that the header of a WAV, RF64 or AIFF promises over those that are there, at least 1.

    libsndfile quietly corrects the header of a cut file, so the promise is read here. 1 for any other format.
    Raises `AudioError` for more bytes than a header of 32 bits can count: libsndfile would read some and say nothing.
    """
    file.seek(0)
    form, _, kind = file.read(4), file.read(4), file.read(4)
    if (form, kind) not in _CHUNKED:
        return 1.0
    order, wanted = _CHUNKED[form, kind]
    long_size = 0
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], order)
        start = file.tell()
        if name == wanted:
            size = long_size if size == _STREAMED_SIZE else size
            there = file.seek(0, os.SEEK_END) - start
            if there > _MOST_BYTES and form != b"RF64":
                raise AudioError(path, "is longer than a WAV header can say (over 4 GB); convert it to RF64 or FLAC")
            return max(1.0, size / there) if there > 0 else 1.0
        if name == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], order)
        file.seek(start + size + size % 2)
    return 1.0

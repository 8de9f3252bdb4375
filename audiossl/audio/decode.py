"""The one door for sound files: any format of libsndfile, any rate, depth and channels, in; float32 mono out.

Promise: a file is read whole and right, or raises `AudioError` with its path and cause; a file with less sound than
its header promises is read as far as it goes and says so (`short`). Nothing non-finite passes. Memory is bounded by
the window or block asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
import soxr

from audiossl.audio.sound_file import MAX_RATE, MIN_RATE, SoundFile, open_sound
from audiossl.errors import AudioError, UsageError

NonFinite = Literal["error", "zero"]

_MARGIN = 256
"""Samples of the lower of two rates after which the resampler no longer feels an edge (to 2e-6; 100 would do)."""
_READ_FRAMES = 1 << 18
"""Frames that `blocks` reads at a time."""


@dataclass(frozen=True)
class SoundInfo:
    """What a file's header says. `short`: fewer frames are there than it promises (known for WAV and AIFF)."""

    frames: int
    sample_rate: int
    channels: int
    duration_s: float
    format: str
    subtype: str
    short: bool = False


@dataclass(frozen=True)
class Sound:
    """Decoded sound.

    Attributes:
        samples: (S,) float32 mono, full scale 1, S >= 1.
        sample_rate: of `samples`, in Hz.
        file_rate: of the file, in Hz.
        short: the header promised more samples than there are.
        silent: all samples are equal (silence, or a constant offset), to 1e-8.
        nonfinite: how many NaN and infinite samples of the file were set to zero.
        start: index of the first sample in the whole file, at `sample_rate`.
    """

    samples: np.ndarray
    sample_rate: int
    file_rate: int
    short: bool = False
    silent: bool = False
    nonfinite: int = 0
    start: int = 0


def probe(path: str | Path) -> SoundInfo:
    """Read a file's header without decoding it (raises `AudioError`)."""
    with open_sound(path) as file:
        return SoundInfo(
            frames=file.frames,
            sample_rate=file.sample_rate,
            channels=file.channels,
            duration_s=file.frames / file.sample_rate,
            format=file.format,
            subtype=file.subtype,
            short=file.promised > file.frames,
        )


def decode(
    path: str | Path,
    sample_rate: int | None,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    nonfinite: NonFinite = "error",
) -> Sound:
    """Read a file, or a window of it, as float32 mono at `sample_rate` (`None`: the file's own).

    A window is the slice `[a : a + n]`, `a = round(start_s * rate)`, `n = round(duration_s * rate)`, of the whole
    file's decode at the same `rate`: exactly so at the file's own rate (MP3 and Opus: to 1e-6), within 1e-5 when
    resampled, since the window is resampled together with its surroundings. It is shorter where the file ends, and at
    least one sample long.
    The whole has `round(frames * sample_rate / file_rate)` samples, at least 1.

    Raises:
        AudioError: the file cannot be read, is damaged, holds a non-finite sample (with `nonfinite="error"`), peaks
            above 1e4, or ends before `start_s`.
    """
    with open_sound(path) as file:
        rate = _target_rate(file, sample_rate)
        if start_s == 0.0 and duration_s is None:
            mono, zeroed = file.read(0, file.frames, nonfinite)
            _require(mono, path, 0)
            samples = resample(mono, file.sample_rate, rate)
            return _sound(samples, file, rate, short=len(mono) < file.promised, nonfinite=zeroed)
        return _decode_window(file, rate, start_s, duration_s, nonfinite)


def decode_part(
    path: str | Path,
    sample_rate: int | None,
    start_s: float | None,
    end_s: float | None,
    *,
    nonfinite: NonFinite = "error",
) -> Sound:
    """`decode` of what a row of a table names: a file from `start_s` to `end_s`, None being its own start and end."""
    start_s = start_s or 0.0
    duration_s = None if end_s is None else end_s - start_s
    return decode(path, sample_rate, start_s=start_s, duration_s=duration_s, nonfinite=nonfinite)


def blocks(
    path: str | Path,
    sample_rate: int | None,
    block_s: float,
    *,
    overlap_s: float = 0.0,
    start_s: float = 0.0,
    end_s: float | None = None,
    nonfinite: NonFinite = "error",
) -> Iterator[Sound]:
    """Read a file of any length, or its part from `start_s` to `end_s`, in blocks, in memory of a few blocks.

    Block k is the slice `[k * (n - o) : k * (n - o) + n]`, `n = round(block_s * rate)`, `o = round(overlap_s *
    rate)`, of what `decode` gives for the same part (to 1e-6). The last block may be shorter; none holds only what an
    earlier one held. `short` is known with the last block; `nonfinite` counts what was read since the block before.

    Raises:
        AudioError: as `decode`, at the block where it is met.
        UsageError: `overlap_s` is not shorter than `block_s`.
    """
    with open_sound(path) as file:
        rate = _target_rate(file, sample_rate)
        size, overlap = max(1, round(block_s * rate)), round(overlap_s * rate)
        if not 0 <= overlap < size:
            raise UsageError(f"overlap {overlap_s:g} s is not within the block's {block_s:g} s; write a shorter one")
        span = _span(file, rate, start_s, None if end_s is None else end_s - start_s)
        held, start, zeroed, frames_left = np.empty(0, np.float32), span.first, 0, span.end - span.frame
        for mono, count, samples in _stream(file, rate, nonfinite, span):
            zeroed, frames_left = zeroed + count, frames_left - mono
            held = np.concatenate([held, samples])
            while len(held) > size:
                yield _sound(held[:size].copy(), file, rate, nonfinite=zeroed, start=start)
                held, start, zeroed = held[size - overlap :], start + size - overlap, 0
        _require(held, path, start_s)
        yield _sound(held, file, rate, short=frames_left > 0, nonfinite=zeroed, start=start)


def repeat_to_length(samples: np.ndarray, n: int) -> np.ndarray:
    """Repeat (S,) samples end to end, cut at `n`; longer sounds come back as they are."""
    if len(samples) >= n:
        return samples
    return np.resize(samples, n)


@dataclass(frozen=True)
class _Span:
    """A window of a file: samples [first : first + count] at the new rate are those from `skip` on of the frames."""

    first: int
    count: int | None
    skip: int
    frame: int
    end: int


def _span(file: SoundFile, rate: int, start_s: float, duration_s: float | None) -> _Span:
    first = round(start_s * rate)
    count = None if duration_s is None else max(1, round(duration_s * rate))
    # Read from a frame whose time is also that of an output sample, so that the resampler's phase is the whole file's.
    common = gcd(file.sample_rate, rate)
    step, step_out = file.sample_rate // common, rate // common
    margin = 0 if step == step_out else -(-_MARGIN // min(step, step_out))
    begin = max(0, first // step_out - margin)
    frame = begin * step
    end = file.promised if count is None else min(file.promised, (-(-(first + count) // step_out) + margin) * step)
    if start_s < 0 or frame >= file.frames:
        length_s = file.frames / file.sample_rate
        raise AudioError(file.path, f"the window at {start_s:g} s starts outside the {length_s:g} s of sound")
    return _Span(first, count, first - begin * step_out, frame, end)


def _decode_window(file: SoundFile, rate: int, start_s: float, duration_s: float | None, nonfinite: NonFinite) -> Sound:
    span = _span(file, rate, start_s, duration_s)
    mono, zeroed = file.read(span.frame, span.end - span.frame, nonfinite)
    _require(mono, file.path, span.frame / file.sample_rate)
    samples = resample(mono, file.sample_rate, rate)[span.skip :][: span.count]
    _require(samples, file.path, start_s)
    return _sound(samples, file, rate, short=len(mono) < span.end - span.frame, nonfinite=zeroed, start=span.first)


def _stream(file: SoundFile, rate: int, nonfinite: NonFinite, span: _Span) -> Iterator[tuple[int, int, np.ndarray]]:
    """Read a window to its end: frames read, non-finite samples zeroed, and samples of the window, per piece."""
    resampler: soxr.ResampleStream | None = None
    frame, place, more = span.frame, -span.skip, True
    while more:
        asked = min(_READ_FRAMES, span.end - frame)
        mono, zeroed = file.read(frame, asked, nonfinite)
        frame += len(mono)
        more = len(mono) == asked and frame < span.end
        if rate == file.sample_rate or (resampler is None and not more):
            samples = resample(mono, file.sample_rate, rate)  # in one piece: the same numbers, for less
        else:
            resampler = resampler or soxr.ResampleStream(file.sample_rate, rate, 1, dtype="float32", quality="HQ")
            samples = resampler.resample_chunk(mono, last=not more)
        if not more and place + len(samples) == 0:
            samples = mono[:1]  # as `resample` does
        wanted = samples[max(0, -place) :]
        yield len(mono), zeroed, wanted if span.count is None else wanted[: max(0, span.count - max(0, place))]
        place += len(samples)


def resample(mono: np.ndarray, file_rate: int, rate: int) -> np.ndarray:
    """(S,) float32 at `file_rate` as (S',) at `rate`: S' = round(S * rate / file_rate), at least 1."""
    if file_rate == rate:
        return mono
    samples: np.ndarray = soxr.resample(mono, file_rate, rate, quality="HQ")
    return samples if len(samples) else mono[:1]  # less than half an output sample of sound: keep one


def _sound(samples: np.ndarray, file: SoundFile, rate: int, **facts: int) -> Sound:
    silent = float(samples.max()) - float(samples.min()) < 1e-8
    return Sound(samples, rate, file.sample_rate, silent=silent, **facts)  # type: ignore[arg-type]


def _target_rate(file: SoundFile, sample_rate: int | None) -> int:
    if sample_rate is None:
        return file.sample_rate
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise UsageError(f"sample rate {sample_rate} Hz is outside {MIN_RATE:,} to {MAX_RATE:,} Hz; write one inside")
    return sample_rate


def _require(samples: np.ndarray, path: str | Path, offset_s: float) -> None:
    if len(samples) == 0:
        raise AudioError(path, "has no samples", offset_s)

"""What a check of a data set looks at in a sound file, and what it tells of many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from audiossl.audio.decode import blocks, probe

_BLOCK_S = 10.0


class Look(NamedTuple):
    """One file."""

    duration_s: float
    rate: int
    channels: int
    format: str
    short: bool = False
    silent: bool = False


def look(path: Path, verify: bool) -> Look:
    """A file by its header, or decoded to its end, which finds damage inside and silence (raises `AudioError`)."""
    info = probe(path)
    frames, short, silent = info.frames, info.short, False
    if verify:
        frames, silent = 0, True
        for block in blocks(path, None, _BLOCK_S):
            frames += len(block.samples)
            silent &= block.silent
            short |= block.short
    return Look(frames / info.sample_rate, info.sample_rate, info.channels, info.format, short, silent)


@dataclass(frozen=True)
class Duration:
    """Seconds: shortest, middle and longest file, and all together."""

    shortest_s: float
    median_s: float
    longest_s: float
    total_s: float


@dataclass(frozen=True)
class Seen:
    """Of the readable files of a set.

    Attributes:
        verified: they were decoded.
        short: files with less sound than their header promises.
        silent: files without any sound (only when verified).
        durations: None without any file.
        rates, channels, formats: how many files have each.
    """

    verified: bool
    short: list[str]
    silent: list[str]
    durations: Duration | None
    rates: dict[int, int]
    channels: dict[int, int]
    formats: dict[str, int]

    def rows(self) -> Iterator[tuple[str, object]]:
        """What there is to tell and how it is: names, counts of each value, words, or None where nobody looked."""
        yield "shorter than promised", self.short
        yield "silent", self.silent if self.verified else None
        if span := self.durations:
            hours = f"{span.total_s / 3600:.2f} h" if span.total_s >= 3600 else f"{span.total_s:.1f} s"
            lengths = f"{span.shortest_s:.2f} to {span.longest_s:.2f} s, median {span.median_s:.2f} s"
            yield "duration", f"{hours} in all; {lengths}"
        yield "sample rates", {f"{rate} Hz": count for rate, count in self.rates.items()}
        yield "channels", self.channels
        yield "formats", self.formats

    def described(self) -> dict[str, Any]:
        """What all files have in common, as a manifest says it."""
        common: dict[str, list[Any]] = {
            "sample_rate": list(self.rates),
            "channels": list(self.channels),
            "format": [name.lower() for name in self.formats],
        }
        told = {what: values[0] for what, values in common.items() if len(values) == 1}
        if span := self.durations:
            told["duration_s"] = [math.floor(span.shortest_s * 100) / 100, math.ceil(span.longest_s * 100) / 100]
        return told


def summarise(looks: Mapping[str, Look], verified: bool) -> Seen:
    """All looks together, by the file's path."""
    seconds = [one.duration_s for one in looks.values()]
    return Seen(
        verified=verified,
        short=[path for path, one in looks.items() if one.short],
        silent=[path for path, one in looks.items() if one.silent],
        durations=Duration(min(seconds), median(seconds), max(seconds), sum(seconds)) if seconds else None,
        rates=dict(sorted(Counter(one.rate for one in looks.values()).items())),
        channels=dict(sorted(Counter(one.channels for one in looks.values()).items())),
        formats=dict(sorted(Counter(one.format for one in looks.values()).items())),
    )

"""What a check of a data set looks at in a picture, and what it tells of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from audiossl.image.decode import decode, probe

TINY = 8
"""A picture with a side of fewer pixels shows next to nothing."""


class Look(NamedTuple):
    """One file; `mode` and `format` are Pillow's, width and height of the upright picture."""

    width: int
    height: int
    mode: str
    format: str
    animated: bool
    turned: bool
    plain: bool = False


def look(path: Path, verify: bool) -> Look:
    """A file by its header, or decoded, which finds damage inside and pictures of one colour (raises `ImageError`)."""
    info = probe(path)
    plain = decode(path).plain if verify else False
    return Look(info.width, info.height, info.mode, info.format, info.animated, info.turned, plain)


@dataclass(frozen=True)
class Extent:
    """Pixels: least, middle and most."""

    least: int
    median: float
    most: int


@dataclass(frozen=True)
class Seen:
    """Of the readable files of a set.

    Attributes:
        verified: they were decoded.
        plain: pictures of one colour (only when verified).
        tiny: pictures with a side below `TINY` pixels.
        animated: files with several pictures, of which the first is read.
        turned: files that EXIF says to turn, which is done.
        widths, heights: None without any file.
        modes, formats: how many files have each; all modes are read as RGB.
    """

    verified: bool
    plain: list[str]
    tiny: list[str]
    animated: list[str]
    turned: list[str]
    widths: Extent | None
    heights: Extent | None
    modes: dict[str, int]
    formats: dict[str, int]

    def rows(self) -> Iterator[tuple[str, object]]:
        """What there is to tell and how it is: names, counts of each value, words, or None where nobody looked."""
        yield "of one colour", self.plain if self.verified else None
        yield f"a side below {TINY} pixels", self.tiny
        yield "animated (the first is read)", self.animated
        yield "turned by EXIF", self.turned
        for what, extent in (("width", self.widths), ("height", self.heights)):
            if extent:
                yield what, f"{extent.least:,} to {extent.most:,} pixels, median {extent.median:,g}"
        yield "modes", self.modes
        yield "formats", self.formats

    def described(self) -> dict[str, Any]:
        """What all files have in common, as a manifest says it."""
        common: dict[str, list[str]] = {"mode": list(self.modes), "format": [name.lower() for name in self.formats]}
        told: dict[str, Any] = {what: values[0] for what, values in common.items() if len(values) == 1}
        for what, extent in (("width", self.widths), ("height", self.heights)):
            if extent:
                told[what] = [extent.least, extent.most]
        return told


def summarise(looks: Mapping[str, Look], verified: bool) -> Seen:
    """All looks together, by the file's path."""
    return Seen(
        verified=verified,
        plain=[path for path, one in looks.items() if one.plain],
        tiny=[path for path, one in looks.items() if min(one.width, one.height) < TINY],
        animated=[path for path, one in looks.items() if one.animated],
        turned=[path for path, one in looks.items() if one.turned],
        widths=_extent([one.width for one in looks.values()]),
        heights=_extent([one.height for one in looks.values()]),
        modes=dict(sorted(Counter(one.mode for one in looks.values()).items())),
        formats=dict(sorted(Counter(one.format for one in looks.values()).items())),
    )


def _extent(pixels: Sequence[int]) -> Extent | None:
    return Extent(min(pixels), median(pixels), max(pixels)) if pixels else None

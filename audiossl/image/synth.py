"""Made-up pictures for the demo and the tests: twelve kinds of thing, made from a seed.

Six kinds are told by their outline, four by their texture, two by their colour. Everything else is drawn at random so
that it tells nothing: colours, place, size, angle, light, background, noise, and the format of the picture. Two takes
of one source share its colours and its background.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from colorsys import hsv_to_rgb
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image

from audiossl.synth import Row, slot, write_set

SIDES = (40, 64)
"""Least and largest width and height in pixels."""

Plane = npt.NDArray[np.float64]


class SynthImage(NamedTuple):
    """One made picture and what it is."""

    pixels: npt.NDArray[np.uint8]
    """(3, H, W)."""
    row: Row


def make_images(folder: str | Path, n: int, seed: int) -> Path:
    """Write `n` pictures (PNG, RGB, 40 to 64 pixels a side) and a table of them: `synth.write_set`.

    The same seed and n give the same files.
    """
    return write_set(folder, n, lambda index: _png(make_image(index, seed)))


def make_image(index: int, seed: int) -> SynthImage:
    """Picture number `index`: a pure function of `seed` and `index`."""
    row, scene, rng = slot(index, seed, LABELS, ".png")
    height, width = (int(side) for side in rng.integers(SIDES[0], SIDES[1], 2, endpoint=True))
    x, y, radius = _around(rng, height, width)
    tones, ground = _tones(scene, *HUES.get(row.label, (0.0, 1.0))), _tones(scene, 0.0, 1.0)
    distance = OUTLINES[row.label](x, y) if row.label in OUTLINES else _blob(rng, x, y)
    pattern = TEXTURES[row.label](rng, x, y) if row.label in TEXTURES else np.zeros_like(x)
    inside = np.clip(0.5 - distance * radius, 0, 1)  # a soft edge of one pixel
    picture = _mixed(ground[0], ground[1], _clouds(scene, height, width))
    picture += inside * (_mixed(tones[0], tones[1], pattern) - picture)
    picture *= rng.uniform(0.6, 1.1)
    picture += rng.normal(0, rng.uniform(0.01, 0.05), picture.shape)
    return SynthImage(np.rint(255 * picture.clip(0, 1)).astype(np.uint8), row)


def _png(image: SynthImage) -> tuple[Row, bytes]:
    png = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(image.pixels.transpose(1, 2, 0))).save(png, "PNG")
    return image.row, png.getvalue()


def _disc(x: Plane, y: Plane) -> Plane:
    return np.hypot(x, y) - 0.9


def _ring(x: Plane, y: Plane) -> Plane:
    return np.abs(np.hypot(x, y) - 0.75) - 0.2


def _square(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.abs(x), np.abs(y)) - 0.8


def _triangle(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.maximum(0.866 * x + 0.5 * y, -0.866 * x + 0.5 * y), -y) - 0.5


def _cross(x: Plane, y: Plane) -> Plane:
    lying = np.maximum(np.abs(x) - 1, np.abs(y) - 0.3)
    standing = np.maximum(np.abs(y) - 1, np.abs(x) - 0.3)
    return np.asarray(np.minimum(lying, standing))


def _star(x: Plane, y: Plane) -> Plane:
    edge: Plane = 0.65 + 0.35 * np.cos(5 * np.arctan2(y, x))
    return np.hypot(x, y) - edge


def _stripes(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    return _sharp(np.sin(_waves(rng) * x))


def _checks(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    waves = _waves(rng)
    return _sharp(2 * np.sin(waves * x) * np.sin(waves * y))


def _dots(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    waves = 1.3 * _waves(rng)
    return _sharp(np.cos(waves * x) + np.cos(waves * y) - 0.9)


def _ripples(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    return _sharp(np.sin(_waves(rng) * np.hypot(x, y)))


OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "cross": _cross,
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}
"""Distance from the edge, negative inside, over coordinates in radii."""
TEXTURES: dict[str, Callable[[np.random.Generator, Plane, Plane], Plane]] = {
    "checks": _checks,
    "dots": _dots,
    "ripples": _ripples,
    "stripes": _stripes,
}
"""How much of the second tone, 0 .. 1, over coordinates in radii."""
HUES = {"cold": (0.5, 0.68), "warm": (-0.04, 0.13)}
"""Stretches of the colour circle."""
LABELS = tuple(sorted((*OUTLINES, *TEXTURES, *HUES)))


def _around(rng: np.random.Generator, height: int, width: int) -> tuple[Plane, Plane, float]:
    """Coordinates in radii of a thing that lies wholly within the middle square, at a drawn place, size and angle."""
    shorter = min(height, width)
    radius = shorter * float(rng.uniform(0.28, 0.42))
    room = shorter / 2 - radius
    x, y = width / 2 + rng.uniform(-room, room), height / 2 + rng.uniform(-room, room)
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width] + 0.5
    across, down = (columns - x) / radius, (rows - y) / radius
    return (
        np.cos(angle) * across + np.sin(angle) * down,
        np.cos(angle) * down - np.sin(angle) * across,
        radius,
    )


def _blob(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    """An outline that is none of the others."""
    angle, lobes = np.arctan2(y, x), rng.uniform(0, 2 * np.pi, 2)
    edge: Plane = 0.85 + 0.08 * np.cos(2 * angle + lobes[0]) + 0.07 * np.cos(3 * angle + lobes[1])
    return np.hypot(x, y) - edge


def _waves(rng: np.random.Generator) -> float:
    return float(rng.uniform(8, 12))


def _sharp(wave: Plane) -> Plane:
    """Two tones with a soft edge between them."""
    return np.clip(0.5 + 2 * wave, 0, 1)


def _tones(rng: np.random.Generator, low: float, high: float) -> tuple[Any, Any]:
    """A dark and a light colour (3,) of hues within a stretch of the colour circle; either comes first."""
    dark = hsv_to_rgb(rng.uniform(low, high) % 1, rng.uniform(0.5, 1), rng.uniform(0.25, 0.5))
    light = hsv_to_rgb(rng.uniform(low, high) % 1, rng.uniform(0.3, 0.8), rng.uniform(0.7, 1))
    first, second = np.array(dark), np.array(light)
    return (first, second) if rng.random() < 0.5 else (second, first)


def _mixed(first: Any, second: Any, share: Plane) -> Plane:
    """(3, H, W)."""
    mixed: Plane = first[:, None, None] + share * (second - first)[:, None, None]
    return mixed


def _clouds(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Slow waves, 0 .. 1."""
    rows, columns = np.mgrid[:height, :width] / 64
    total = np.zeros((height, width))
    for _ in range(4):
        pitch, angle, phase = rng.uniform(2, 12), *rng.uniform(0, 2 * np.pi, 2)
        total += np.sin(pitch * (np.cos(angle) * rows + np.sin(angle) * columns) + phase)
    return np.asarray(0.5 + total / 8)

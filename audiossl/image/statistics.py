"""Plain features of a picture, which every learned embedding must beat: its pixels, and histograms of its gradients.

Letters: B pictures, S stored values, C channels, H and W rows and columns, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from audiossl.errors import UsageError
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.schema import ImageRecipe, Recipe

Values = npt.NDArray[np.float32]

SIDE = 32
"""Pixels: of every picture the middle square, made so large."""
SETTINGS: dict[str, dict[str, Any]] = {
    "pixels": {"side": 16},
    "hog": {"cell": 4, "bins": 9, "clip": 0.2},
}
_FRONTEND = PixelsConfig(side=SIDE)
_EPSILON = 1e-3
"""Beside the energy of four cells: a flat patch has no direction."""


def thumbnail(x_BCHW: Values, *, side: int) -> Values:
    """The picture as so many pixels a side (B, C * side * side): each the mean of those it stands for."""
    step = x_BCHW.shape[-1] // side
    parts = x_BCHW.reshape(*x_BCHW.shape[:2], side, step, side, step)
    return np.asarray(parts.mean(axis=(3, 5)).reshape(len(x_BCHW), -1), np.float32)


def gradient_histograms(x_BCHW: Values, *, cell: int, bins: int, clip: float) -> Values:
    """Histograms of oriented gradients (B, H / cell * W / cell * bins), after Dalal and Triggs 2005.

    At every pixel the gradient of the channel in which it is steepest; in every cell a histogram of its directions
    without sign, each gradient shared by the two nearest bins. A cell is divided by the energy of each of the four
    squares of 2 x 2 cells that it is part of, cut at `clip`, and the four are averaged (Felzenszwalb et al. 2010),
    which is a quarter of Dalal and Triggs' values. At the borders the outer cells are repeated.

    Args:
        x_BCHW: pictures within 0 .. 1, H and W multiples of `cell`.
        cell: pixels of a cell's side.
        bins: of directions, over half a turn.
        clip: the most that one bin may be.
    """
    votes_BbHW = _votes(x_BCHW, bins)
    b, _, h, w = votes_BbHW.shape
    cells = votes_BbHW.reshape(b, bins, h // cell, cell, w // cell, cell).sum(axis=(3, 5))
    energy = np.pad(np.square(cells).sum(axis=1), [(0, 0), (1, 1), (1, 1)], mode="edge")
    blocks = energy[:, :-1, :-1] + energy[:, :-1, 1:] + energy[:, 1:, :-1] + energy[:, 1:, 1:]
    norms = np.sqrt(blocks + _EPSILON)[:, None]
    around = (norms[..., :-1, :-1], norms[..., :-1, 1:], norms[..., 1:, :-1], norms[..., 1:, 1:])
    histograms = sum(np.minimum(cells / norm, np.float32(clip)) for norm in around) / np.float32(4)
    return np.asarray(histograms, np.float32).reshape(b, -1)


def _votes(x_BCHW: Values, bins: int) -> Values:
    """How much of each pixel's gradient is of each direction (B, bins, H, W)."""
    padded = np.pad(x_BCHW, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    down, across = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1], padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    size = np.hypot(down, across)
    steepest = size.argmax(axis=1)[:, None]
    down, across, size = (np.take_along_axis(values, steepest, axis=1) for values in (down, across, size))
    place = np.arctan2(down, across) % np.pi * (bins / np.pi)
    distance = np.abs(place - np.arange(bins, dtype=np.float32)[:, None, None])
    nearness = np.maximum(0, 1 - np.minimum(distance, bins - distance))
    return np.asarray(size * nearness, np.float32)


_FEATURES: dict[str, Callable[..., Values]] = {"pixels": thumbnail, "hog": gradient_histograms}


@dataclass(frozen=True)
class PictureStatistics:
    """One of `SETTINGS`, see `media.Plain`."""

    package: ClassVar[str] = "pillow"
    at_once: ClassVar[int] = 64
    recipe: ClassVar[Recipe] = ImageRecipe(frontend=_FRONTEND)
    name: str
    title: str

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides a number, but the version of `package`."""
        return {"square": SIDE, **SETTINGS[self.name]}

    def read(self, path: Path, start_s: float | None, end_s: float | None) -> npt.NDArray[np.uint8]:
        """The stored picture (S,); raises `ImageError`."""
        from audiossl.image.decode import decode

        return self.prepare(decode(path, side=SIDE).pixels)

    def prepare(self, samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """The middle square (S,) of a picture (3, H, W) uint8."""
        from audiossl.image.frontend import build_frontend

        return build_frontend(_FRONTEND).prepare(samples)

    def blank(self) -> npt.NDArray[np.uint8]:
        """A black picture (1, S)."""
        return np.zeros((1, 3 * SIDE**2), np.uint8)

    def features(self, x_BS: npt.NDArray[Any]) -> Values:
        """(B, D) float32 of stored pictures."""
        x_BCHW = x_BS.reshape(-1, 3, SIDE, SIDE).astype(np.float32) / 255
        return _FEATURES[self.name](x_BCHW, **SETTINGS[self.name])

    def bands(self, x_BS: npt.NDArray[Any]) -> Values:
        """Raises `UsageError`: there is no time to pool over."""
        raise UsageError(f"{self.name} is of pictures, which have no time to pool over; leave --pool out")


PLAIN = (PictureStatistics("pixels", "pixels"), PictureStatistics("hog", "gradient histograms"))
"""The plain features of pictures."""

"""From one picture, as a file or in memory, to its one window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image

from audiossl.errors import ImageError, UsageError
from audiossl.image.decode import decode
from audiossl.image.frontend import Stored
from audiossl.media import Window
from audiossl.places.fetch import at_hand

PICTURES, PIXELS = ((4, 32), (16, 1024)), (73_728, 4_194_304)
"""Pictures that an encoder takes at once, least and most, and pixels of them all; on a CPU, and elsewhere."""


class PictureReader:
    """Reads pictures for a front end of `side` pixels."""

    rate: int | None = None
    one_length: bool = True
    columns: ClassVar[Mapping[str, str]] = {
        "width": "int32",
        "height": "int32",
        "mode": "string",
        "turned": "bool",
        "transparent": "bool",
        "stretched": "bool",
        "animated": "bool",
        "plain": "bool",
    }

    def __init__(self, side: int) -> None:
        self._side = side
        on_cpu, elsewhere = (
            3 * side**2 * min(most, max(least, pixels // side**2))
            for (least, most), pixels in zip(PICTURES, PIXELS, strict=True)
        )
        self.batches = (on_cpu, elsewhere)

    def parameters(self) -> dict[str, Any]:
        """Nothing: the model says it all."""
        return {}

    def windows(
        self, path: str | Path, start_s: float | None, end_s: float | None, met: dict[str, Any]
    ) -> Iterator[Window]:
        """The picture; raises `ImageError`."""
        if start_s is not None or end_s is not None:
            raise ImageError(path, "is a picture, which has no start and no end; leave both out of its row")
        with at_hand(path) as file:
            image = decode(file, side=self._side)
        met |= {"width": image.info.width, "height": image.info.height, "mode": image.info.mode}
        met |= {name: getattr(image, name) for name in ("turned", "transparent", "stretched", "animated", "plain")}
        yield Window(float("nan"), float("nan"), image.pixels)


def window_of(picture: object) -> Window:
    """The window of a picture in memory: (3, H, W) uint8 as an array or a tensor, or one of Pillow's.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(picture, PIL.Image.Image):
        pixels: Stored = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    else:
        pixels = np.asarray(picture)
    if pixels.ndim != 3 or pixels.shape[0] != 3 or not pixels.size or pixels.dtype != np.uint8:
        raise UsageError(
            f"the picture is {pixels.dtype} of shape {pixels.shape}; give (3, height, width) uint8, or a PIL image"
        )
    return Window(float("nan"), float("nan"), pixels)

"""The examples of an evaluation, decoded once, for protocols that train the encoder along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiossl.bundle.bundle import Bundle
from audiossl.data.decoded import ClipSource
from audiossl.data.items import Items
from audiossl.errors import DataError
from audiossl.progress import Progress
from audiossl.recipe.auto import CACHE_BYTES
from audiossl.training.clips import clip_reader, open_clips

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """What such a protocol is given of a row.

    Attributes:
        bundle: where training starts; it is left as it is.
        items: in the order of the task.
        progress: told about decoding and about every step.
        keep: take rounds that were finished before from the cache folder, and keep each as it finishes.
    """

    bundle: Bundle
    items: Items
    progress: Progress
    keep: bool = True

    def open(self) -> ClipSource:
        """The prepared clips: decoded once into the cache folder, or file by file where they are too many for that.

        Raises:
            DataError: a file cannot be read.
        """
        recipe = self.bundle.recipe
        reader = clip_reader(self.items, recipe, self.bundle.frontend)
        fits = 2 * sum(map(reader.length, range(len(self.items)))) <= CACHE_BYTES
        data = recipe.data.model_copy(update={"cache": "on" if fits else "off"})
        source = open_clips(reader, recipe.model_copy(update={"data": data}), self.progress)
        if source.failures:
            raise DataError(
                f"{source.failures[0].path}: {source.failures[0].cause}; mend or remove it, or --skip-failed"
            )
        return source


def window_starts(length: int, window: int, apart: int, hop: int) -> Ints:
    """The first sample of each window of a clip: spread evenly from its start to its end.

    Args:
        length: samples of the clip, at least `window`.
        window: samples of a window.
        apart: at most about so many samples lie between the starts of two windows.
        hop: starts are multiples of it.
    """
    room = (length - window) // hop
    gaps = -(-room * hop // apart)
    starts: Ints = np.rint(np.linspace(0, room, gaps + 1)).astype(np.int64) * hop
    return starts

"""Embeddings along time of all items in one array, and what is heard at each timestamp.

Letters: N items, F timestamps of all items, U of one, D dimensions, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiossl.data.items import Event
from audiossl.embedding.frames import FrameFeatures

Floats = NDArray[np.floating]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Frames:
    """The timestamps of all items, one item after the other."""

    times_s: Floats
    """(F,), from the start of the item."""
    values: Singles
    """(F, D)."""
    starts: Ints
    """(N + 1,): item i has the rows from `starts[i]` to before `starts[i + 1]`."""

    @classmethod
    def of(cls, features: Sequence[FrameFeatures]) -> Frames:
        """What `frame_features` gives, in one piece."""
        sizes = [len(one.times_s) for one in features]
        return cls(
            np.concatenate([one.times_s for one in features]),
            np.concatenate([one.values for one in features]).astype(np.float32, copy=False),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        )

    def rows(self, items: Ints) -> Ints:
        """The rows of several items, in their order."""
        return np.concatenate([np.arange(self.starts[item], self.starts[item + 1]) for item in items])

    def of_item(self, item: int) -> slice:
        """The rows of one item."""
        return slice(int(self.starts[item]), int(self.starts[item + 1]))

    def heard(self, events: Sequence[Sequence[Event]], classes: Sequence[str]) -> Bools:
        """Which classes are heard at each timestamp (F, K): from onset to before offset.

        An event that falls between two timestamps is heard at the nearest one.
        """
        number = {name: k for k, name in enumerate(classes)}
        heard_FK = np.zeros((len(self.times_s), len(classes)), np.bool_)
        for item, of_item in enumerate(events):
            rows = self.of_item(item)
            times_U = self.times_s[rows]
            for event in of_item:
                first, end = np.searchsorted(times_U, [event.onset_s, event.offset_s])
                if first == end:
                    first = np.abs(times_U - (event.onset_s + event.offset_s) / 2).argmin()
                    end = first + 1
                heard_FK[rows.start + first : rows.start + end, number[event.label]] = True
        return heard_FK

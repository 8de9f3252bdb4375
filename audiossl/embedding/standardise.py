"""Rows with mean 0 and deviation 1 in every dimension, by what a store holds: in two passes, block by block.

After a ReLU all embeddings point the same way, and cosines hardly differ; standardised they do. It is what most probes
do before they look at embeddings, `retrieval@1` among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from audiossl.embedding.nearest import Doubles, Floats
from audiossl.embedding.store import Rows

Scale = Callable[[Floats], Doubles]
"""Rows (n, D) to standardised rows in float64."""

_VALUES_AT_ONCE = 1 << 22


def fit_scale(blocks: Iterable[tuple[Rows, Floats]]) -> Scale:
    """Of the mean and the deviation (of the population) of all rows (n, D) in `blocks`, in memory of one block.

    A dimension that is the same in every row is only centred.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for _, x_nD in _parts(blocks):
        scaler.partial_fit(x_nD.astype(np.float64))

    def scale(x_nD: Floats) -> Doubles:
        scaled_nD: Doubles = scaler.transform(x_nD.astype(np.float64))
        return scaled_nD

    return scale


def scaled_blocks(blocks: Iterable[tuple[Rows, Floats]], scale: Scale) -> Iterator[tuple[Rows, Doubles]]:
    """The rows of `blocks`, standardised, in parts of bounded size."""
    for places, x_nD in _parts(blocks):
        yield places, scale(x_nD)


def _parts(blocks: Iterable[tuple[Rows, Floats]]) -> Iterator[tuple[Rows, Floats]]:
    """A memory map is one block however large it is."""
    for places, x_nD in blocks:
        step = max(1, _VALUES_AT_ONCE // x_nD.shape[1])
        for start in range(0, len(x_nD), step):
            yield places[start : start + step], x_nD[start : start + step]

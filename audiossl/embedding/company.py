"""Whether windows of several files may share a batch on this machine without any row feeling it, by a single bit.

A row of a batch is the row of its window alone, up to the order in which its terms are summed; and that order hangs on
the shapes alone: which kernel a library takes, and in which pieces. So whether company matters can be seen from any
windows of a length, and noise will do: it is encoded one by one and in batches of every size, and every bit is compared
at every place. It is seen of AudioNTT2020, where batches of four save a sixth of the encoder's time, and not of the
VGG-like network, where they would save nothing.

Where every window is of one length, as pictures are, less is enough: batches are always full, with blanks where there
are no windows, and only the place in such a batch must not matter. It does not for ResNet-18, of which no two sizes of
a batch give the same bits.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiossl.bundle.bundle import Array

Encode = Callable[[list[NDArray[Any]]], Array]
"""Rows (B, R, D) of prepared windows of one length."""

MOST_WINDOWS = 16
"""Of a batch that is tried: the trial's cost grows with the square."""
_WORTH = 4
"""A length is tried when this many times the windows of its trial were met."""
_COUNTED_LENGTHS = 4096
"""After which counting begins anew: where every file has a length of its own, none is worth a trial."""


class Company:
    """What was seen of each length of window; several threads may ask.

    Args:
        encode: what makes rows.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode, self._lock = encode, threading.Lock()
        self._met: Counter[int] = Counter()
        self._harmless: dict[int, bool] = {}
        self._alike: dict[tuple[int, int], bool] = {}

    def is_harmless(self, window: NDArray[Any], most: int) -> bool:
        """Whether a window as long as this gives the same bits in any batch of up to `most`. Asked of each window.

        No, until its length was met often enough to be tried, and while that is done.
        """
        length = len(window)
        if (known := self._harmless.get(length)) is not None:
            return known
        if not 1 < most <= MOST_WINDOWS:
            return False
        with self._lock:
            if len(self._met) > _COUNTED_LENGTHS:
                self._met.clear()
            self._met[length] += 1
            if length in self._harmless or self._met[length] < _WORTH * most * (most + 1) // 2:
                return self._harmless.get(length, False)
            self._harmless[length] = False
        self._harmless[length] = company_is_harmless(self._encode, noise_like(window, most))
        return self._harmless[length]

    def places_are_alike(self, window: NDArray[Any], size: int) -> bool:
        """Whether a window as long as this gives the same bits at any place of a batch of just `size`, with any others.

        Tried at the first window, which all others wait for: they must all be encoded alike.
        """
        key = len(window), size
        with self._lock:
            if key not in self._alike:
                self._alike[key] = size > 1 and places_are_alike(self._encode, noise_like(window, size))
            return self._alike[key]


def noise_like(window: NDArray[Any], count: int) -> list[NDArray[Any]]:
    """`count` windows of the same length and type: sound at a tenth of full scale, or bytes of any value."""
    rng, shape = np.random.default_rng(0), (count, len(window))
    noise = rng.normal(0, 0.1, shape) if window.dtype.kind == "f" else rng.integers(0, 256, shape)
    return list(noise.astype(window.dtype))


def company_is_harmless(encode: Encode, windows: list[NDArray[Any]]) -> bool:
    """Whether each of these windows gives the same bits alone and in batches of the first two, three and so on.

    Where different windows give the same rows nothing is shown, and the answer is no.
    """
    alone = np.concatenate([encode([window]) for window in windows])
    if len({row.tobytes() for row in alone}) < len(windows):
        return False
    return all(encode(windows[:size]).tobytes() == alone[:size].tobytes() for size in range(2, len(windows) + 1))


def places_are_alike(encode: Encode, windows: list[NDArray[Any]]) -> bool:
    """Whether in a batch of just so many each window gives the same bits at another place, with blanks beside it.

    Where different windows give the same rows nothing is shown, and the answer is no.
    """
    full = encode(windows)
    if len({row.tobytes() for row in full}) < len(windows):
        return False
    blank = np.zeros_like(windows[0])
    for odd in (False, True):
        kept = np.arange(len(windows)) % 2 == odd
        moved = encode([window if keep else blank for window, keep in zip(windows[::-1], kept, strict=True)])
        if moved[kept].tobytes() != full[::-1][kept].tobytes():
            return False
    return True

"""The rows of one file while they are made: of an hour they are many, and must not stand in memory twice.

Letters: W windows, R rows per window, D dimensions of a row.
"""

from __future__ import annotations

import mmap

import numpy as np

from audiossl.bundle.bundle import Array

BLOCK_BYTES = 4 * 2**20
"""Rows are gathered so many at a time into memory of their own, which goes back to the system when it is let go:
`devices.keep_freed_memory` keeps what the C library has, and thousands of small arrays would hold its pages apart."""


class Rows:
    """Windows' rows (R, D), one after the other; `take` gives all of them, and nothing is left."""

    def __init__(self) -> None:
        self._recent: list[Array] = []
        self._blocks: list[Array] = []
        self._count = 0

    def __len__(self) -> int:
        """W."""
        return self._count

    def append(self, rows: Array) -> None:
        """Take in one window's rows."""
        self._recent.append(rows)
        self._count += 1
        if len(self._recent) * rows.nbytes >= BLOCK_BYTES:
            block = _mapped((len(self._recent), *rows.shape))
            np.stack(self._recent, out=block)
            self._blocks.append(block)
            self._recent.clear()

    def take(self) -> Array:
        """All rows (W, R, D), W >= 1; each block is let go as soon as it is copied."""
        last = np.stack(self._recent) if self._recent else self._blocks.pop()
        blocks, count = self._blocks[::-1], self._count
        self._recent, self._blocks, self._count = [], [], 0
        if not blocks:
            return last
        all_WRD, start = _mapped((count, *last.shape[1:])), 0
        while blocks:
            block = blocks.pop()
            all_WRD[start : start + len(block)] = block
            start += len(block)
        all_WRD[start:] = last
        return all_WRD


def _mapped(shape: tuple[int, ...]) -> Array:
    memory = mmap.mmap(-1, max(1, 4 * int(np.prod(shape))))
    return np.frombuffer(memory, np.float32, int(np.prod(shape))).reshape(shape)

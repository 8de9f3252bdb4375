"""Rows of a file come out as they went in, however many, and leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from audiossl.embedding import rows as room
from audiossl.embedding.rows import Rows


@pytest.mark.parametrize("block_bytes", [1, 40, 100, 10**9])
@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_all_rows_in_order_whatever_the_blocks(count, block_bytes, monkeypatch):
    monkeypatch.setattr(room, "BLOCK_BYTES", block_bytes)
    wanted = np.random.default_rng(0).normal(size=(count, 2, 5)).astype(np.float32)
    rows = Rows()
    for number, window in enumerate(wanted):
        assert len(rows) == number
        rows.append(window)
    taken = rows.take()
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, wanted)
    assert len(rows) == 0


def test_what_was_taken_is_not_changed_by_what_follows(monkeypatch):
    monkeypatch.setattr(room, "BLOCK_BYTES", 40)
    rows = Rows()
    for value in range(5):
        rows.append(np.full((1, 4), value, np.float32))
    first = rows.take()
    for value in range(5, 12):
        rows.append(np.full((1, 4), value, np.float32))
    assert first[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert rows.take()[:, 0, 0].tolist() == [5, 6, 7, 8, 9, 10, 11]

"""When the rows of a window are: they tile it.

Letters: W windows, R rows per window.
"""

from __future__ import annotations

import numpy as np

from audiossl.bundle.bundle import Times


def row_times(windows_W2: Times, rows: int, encoded: int, sample_rate: int | None) -> tuple[Times, Times]:
    """Start and end (W, R') in seconds of the rows of windows that were encoded in one length.

    Row r of R is from `start + r * L / R` to `start + (r + 1) * L / R`, L being the window's length. A sound that was
    repeated, because it is shorter than its window or than the front end takes, has rows of the repetitions too: the
    rows tile what was encoded, those that begin inside the sound are kept, R' <= R, and the last ends where it ends.

    Args:
        windows_W2: start and end in the sound, in seconds.
        rows: R.
        encoded: samples that were encoded of each window; more than it has where the sound was repeated.
        sample_rate: of these samples, in Hz; None for what has no time: all R rows are kept, from NaN to NaN.
    """
    if sample_rate is None:
        nowhere_WR = np.full((len(windows_W2), rows), np.nan)
        return nowhere_WR, nowhere_WR
    start_W1, end_W1 = windows_W2[:, :1], windows_W2[:, 1:]
    own = max(1, round(float(windows_W2[0, 1] - windows_W2[0, 0]) * sample_rate))
    kept = -(-rows * own // max(encoded, own))
    edges = start_W1 + (end_W1 - start_W1) * np.arange(kept + 1) * (max(encoded, own) / own / rows)
    edges[:, -1:] = end_W1
    return edges[:, :-1], edges[:, 1:]

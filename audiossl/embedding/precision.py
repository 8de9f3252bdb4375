"""How far bfloat16 rows are from those of float32, measured on the first windows of a run; decides no number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

WINDOWS = 64
"""That are compared."""


class PrecisionCheck:
    """Compares rows with exact ones until enough were seen; several threads may call it.

    Args:
        exact: the rows (B, R, D) in float32 of the same prepared windows (B, S).
    """

    def __init__(self, exact: Callable[[Tensor], Tensor]) -> None:
        self._exact, self._lock = exact, threading.Lock()
        self._taken = 0
        self._found: dict[str, Any] | None = None

    def compare(self, x_BS: Tensor, rows_BRD: Tensor) -> None:
        """Take in a batch: its windows and what bfloat16 made of them."""
        with self._lock:
            count = min(len(x_BS), WINDOWS - self._taken)
            self._taken += count
        if count:
            measured = differences(rows_BRD[:count], self._exact(x_BS[:count]))
            with self._lock:
                self._found = worst(self._found, measured)

    def found(self) -> dict[str, Any] | None:
        """The worst so far, in plain values; None when nothing was compared yet."""
        return self._found


def differences(rows_BRD: Tensor, exact_BRD: Tensor) -> dict[str, Any]:
    """How many windows there are, B, and the worst of all their rows, of which those that are not finite do not count.

    `largest_difference` is that of two values, `largest_relative` that divided by the largest value of its row.
    """
    import torch
    from torch.nn import functional as F

    rows_ND, exact_ND = rows_BRD.flatten(0, 1).double(), exact_BRD.flatten(0, 1).double()
    finite_N = (rows_ND.isfinite() & exact_ND.isfinite()).all(dim=1)
    rows_ND, exact_ND = rows_ND[finite_N], exact_ND[finite_N]
    difference_N = (rows_ND - exact_ND).abs().amax(dim=1)
    largest_N = exact_ND.abs().amax(dim=1)
    relative_N = difference_N / torch.where(largest_N > 0, largest_N, 1.0)
    # A row of zeros has no direction; two of them are the same.
    cosine_N = torch.where(difference_N > 0, F.cosine_similarity(rows_ND, exact_ND, dim=1), 1.0)
    return {
        "windows": len(rows_BRD),
        "largest_difference": max(difference_N.tolist(), default=0.0),
        "largest_relative": max(relative_N.tolist(), default=0.0),
        "lowest_cosine": min(cosine_N.tolist(), default=1.0),
    }


def worst(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Two measurements as one: of batches, or of runs that filled the same store."""
    if a is None or b is None:
        both = a or b
        return None if both is None else dict(both)
    return {
        "windows": a["windows"] + b["windows"],
        **{name: max(a[name], b[name]) for name in ("largest_difference", "largest_relative")},
        "lowest_cosine": min(a["lowest_cosine"], b["lowest_cosine"]),
    }

"""Random streams that are pure functions of (seed, step, index, name), never of a worker or of history.

A run that is killed and resumed, or run with another number of workers, draws the same numbers because nothing is
carried from one step to the next.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def key(seed: int, *parts: int | str) -> int:
    """A 63-bit integer that depends on `seed` and every part, in order, and on nothing else.

    Parts of different type never collide: `key(0, 1)` differs from `key(0, "1")`.
    """
    digest = blake2b(repr((int(seed), *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_stream(seed: int, *parts: int | str) -> np.random.Generator:
    """A NumPy generator for one purpose, e.g. `numpy_stream(seed, "crop", step, index)`."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=key(seed, *parts)))


def torch_stream(device: torch.device | str, seed: int, *parts: int | str) -> torch.Generator:
    """A torch generator on `device` for one purpose, e.g. `torch_stream(x.device, seed, "views", step, rank)`."""
    import torch

    return torch.Generator(device=device).manual_seed(key(seed, *parts))

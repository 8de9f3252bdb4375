"""Many small fits at a time: one for each core beats one after the other on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from audiossl.devices import cores

Map = Callable[..., Iterable[Any]]
"""`map`, or a pool's."""


@contextmanager
def one_fit_per_core(threads: int | None = None) -> Iterator[Map]:
    """A `map` over `threads` threads (all cores when None), each with one thread of the linear algebra libraries."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(threads or cores()) as pool:
        yield pool.map

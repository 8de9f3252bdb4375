"""Keep Pillow's remarks out of the terminal.

Pillow warns of damaged tags beside a whole picture, which photographs often have, and offers no switch. While pictures
are being read, a filter for warnings of its own modules, and of no others, stands before the filters that there are;
any number of threads may read at once. `warnings.catch_warnings` would not do: threads that leave it in another order
than they came leave each other's filters behind.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PILLOW: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_lock = threading.Lock()
_readers = 0


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings from within Pillow until the last of the threads inside has left."""
    global _readers
    with _lock:
        _readers += 1
        _set_filters(first=True)
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            _set_filters(first=_readers > 0)


def _set_filters(first: bool) -> None:
    """The filters of this moment, ours in front of them or not among them; the list is replaced, never changed."""
    others = [entry for entry in warnings.filters if entry is not _PILLOW]
    warnings.filters = [_PILLOW, *others] if first else others

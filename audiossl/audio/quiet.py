"""Keep the MP3 library's remarks out of the terminal.

libmpg123 writes notes about damaged files ("Illegal Audio-MPEG-Header") to the C library's `stderr` and offers no
switch through libsndfile. While an MP3 is being read, C's `stderr` pointer is set to a stream on `/dev/null`. Python's
own `sys.stderr` writes to the file descriptor, not to that pointer, so messages and progress bars are untouched, and
any number of threads may read at once. Only glibc is known to allow it; elsewhere the remarks are let through.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_lock = threading.Lock()
_readers = 0
_loud: int | None = None


@contextmanager
def quiet_c_stderr() -> Iterator[None]:
    """Silence C's `stderr` until the last of the threads inside has left."""
    global _readers, _loud
    streams = _streams()
    if streams is None:
        yield
        return
    pointer, silent = streams
    with _lock:
        _readers += 1
        if _readers == 1:
            _loud, pointer.value = pointer.value, silent
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                pointer.value = _loud


@cache
def _streams() -> tuple[ctypes.c_void_p, int] | None:
    """C's `stderr` variable and a stream that swallows everything, or None where that cannot be had."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    silent: int | None = library.fopen(os.devnull.encode(), b"we")
    return (ctypes.c_void_p.in_dll(library, "stderr"), silent) if silent else None


def _after_fork() -> None:
    """A forked child has none of the threads that were reading, and a lock that one of them may have held."""
    global _lock, _readers
    _lock = threading.Lock()
    if _readers and (streams := _streams()) is not None:
        _readers, streams[0].value = 0, _loud


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

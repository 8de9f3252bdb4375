"""Runs of `audiossl embed` that kill themselves with SIGKILL at chosen moments (for test_embed_store_faults.py).

Usage: killed_embed.py MODEL SOUNDS OUT SHARD_ITEMS MOMENT..., each moment one run of the same command, in a process
of its own that is forked from this one so that nothing is imported twenty times:

    none      nothing happens
    done:N    after the Nth file (0: when the store is open and nothing is read yet)
    half:N    the Nth file or folder is about to be flushed to disk; a file is cut in half first
    full:N    the same, and a file is whole, under its temporary name (N odd) or its own (N even)
    exit      all is written, and the process has not ended yet

Prints a line of JSON per run: the moment, the exit code (negative: the signal), files done, and clips in the store.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np

import audiossl.api as api
import audiossl_cli.embed as command
from audiossl.embedding.inputs import gather
from audiossl.embedding.store import open_store
from audiossl.errors import DataError
from audiossl.modality import AUDIO
from audiossl_cli.app import run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Counter:
    """Progress that counts files where the parent can see it, and dies after the Nth."""

    def __init__(self, shared: mmap.mmap, last: int | None) -> None:
        self.shared, self.last = shared, last

    def start(self, *_: object, **__: object) -> None:
        self.advance(0)

    def advance(self, n: int = 1, **_: object) -> None:
        done = int.from_bytes(self.shared[:8], "little") + n
        self.shared[:8] = done.to_bytes(8, "little")
        if done == self.last:
            die()

    def close(self) -> None: ...


def die_at_flush(number: int, *, cut: bool) -> None:
    """Plant death at the Nth `fsync`. Every file is flushed under its temporary name, then its folder under its own."""
    flush, calls = os.fsync, 0

    def counted(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if cut and path.is_file():
                os.truncate(path, path.stat().st_size // 2)
            die()
        flush(descriptor)

    os.fsync = counted


def one_run(arguments: list[str], shard_items: int, moment: str, shared: mmap.mmap) -> None:
    kind, _, number = moment.partition(":")
    if kind in ("half", "full"):
        die_at_flush(int(number), cut=kind == "half")
    api.embed = partial(api.embed, shard_items=shard_items)
    command.progress = partial(Counter, shared, int(number) if kind == "done" else None)
    code = run(arguments)
    if kind == "exit":
        die()
    os._exit(code)


def main() -> None:
    model, sounds, out, shard_items, *moments = sys.argv[1:]
    api.load(model).embed(np.zeros(800), 16_000)  # what torch does at its first use is done once,
    gather([sounds], AUDIO)  # and what Arrow does
    arguments = ["embed", model, sounds, "--out", out, "--window-s", "0.1", "--json"]
    for moment in moments:
        shared = mmap.mmap(-1, 8)
        child = os.fork()
        if not child:
            os.dup2(2, 1)
            one_run(arguments, int(shard_items), moment, shared)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            clips = open_store(out).count("clips")
        except DataError:
            clips = 0
        done = int.from_bytes(shared[:8], "little")
        print(json.dumps({"moment": moment, "code": code, "done": done, "clips": clips}), flush=True)


if __name__ == "__main__":
    main()

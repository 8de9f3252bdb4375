"""A fetch that kills itself with SIGKILL at a chosen moment (run as a script by test_killed_fetch.py).

Usage: killed_fetch.py MANIFEST FOLDER MOMENT, where MOMENT is `none`, `download:N` (N bytes are written), `member:N`
(the Nth member of an archive is half-written), `unpacked` (before the note that says so), `moved` (one tree is in its
place, the others are not), `renamed` (the folder is there, nothing is cleaned up).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from audiossl import files
from audiossl.data import archive_writer, fetch
from audiossl_cli.app import run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(module, name: str, number: int = 1, *, before: bool = False) -> None:
    """Die at the Nth call of a function."""
    function, calls = getattr(module, name), 0

    def counted(*args, **kwargs):
        nonlocal calls
        calls += 1
        if before and calls == number:
            die()
        result = function(*args, **kwargs)
        if calls == number:
            die()
        return result

    setattr(module, name, counted)


def main() -> int:
    manifest, folder, moment = sys.argv[1:]
    kind, _, number = moment.partition(":")
    if kind == "download":

        class Until:
            done = 0

            def start(self, title, *_, **__):
                self.counts = title.startswith("downloading")

            def close(self): ...

            def advance(self, n=1, **_):
                Until.done += n * self.counts
                if Until.done >= int(number):
                    die()

        from audiossl_cli import data_fetch

        data_fetch.progress = Until
    elif kind == "member":
        archive_writer.CHUNK_BYTES = 1000
        after(archive_writer.Writer, "_count", int(number))
    elif kind == "unpacked":
        after(files, "write_json", before=True)
    elif kind == "moved":
        after(fetch, "_move_into", 2)  # the first call moves what is inside
    elif kind == "renamed":
        rename = Path.rename

        def renamed(self, target):
            rename(self, target)
            if Path(target) == Path(folder):
                die()

        Path.rename = renamed
    return run(["data", "fetch", manifest, "--to", folder, "--yes"])


if __name__ == "__main__":
    sys.exit(main())

"""A pre-training process that kills itself with SIGKILL at a chosen moment (run as a script by test_killed_run.py).

Usage: killed_run.py SOUNDS OUT WORKERS MOMENT, where MOMENT is `none`, `step:N` (after step N, nothing saved on the
way out), `write:N` (half-way through writing the Nth checkpoint) or `rename:N` (between its two renames).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lightning.pytorch import Callback

from audiossl.training import checkpoint
from audiossl.training import pretrain as module
from tests.training.conftest import tiny_recipe


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAfter(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, learner, outputs, batch, batch_idx):
        if learner.step == self.step:
            die()


def die_while_writing(number: int) -> None:
    write, count = Path.write_bytes, 0

    def half(self: Path, content: bytes) -> int:
        nonlocal count
        if ".ckpt" in self.name:
            count += 1
            if count == number:
                write(self, content[: len(content) // 2])
                die()
        return write(self, content)

    Path.write_bytes = half


def die_between_renames(number: int) -> None:
    replace, count = Path.replace, 0

    def counted(self: Path, target: Path) -> Path:
        nonlocal count
        moved = replace(self, target)
        if Path(target).name == "previous.ckpt":
            count += 1
            if count == number:
                die()
        return moved

    Path.replace = counted


def main() -> None:
    sounds, out, workers, moment = sys.argv[1:]
    kind, _, number = moment.partition(":")
    if kind == "step":
        fit = module._fit
        module._fit = lambda p, le, f, callbacks, d: fit(p, le, f, [*callbacks, DieAfter(int(number))], d)
    elif kind == "write":
        die_while_writing(int(number))
    elif kind == "rename":
        die_between_renames(int(number))
    recipe = tiny_recipe(Path(sounds), data={"workers": int(workers)}, training={"steps": 20})
    module.pretrain(recipe, Path(out))


if __name__ == "__main__":
    assert checkpoint.FORMAT == 1
    main()

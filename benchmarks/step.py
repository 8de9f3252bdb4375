"""A whole training step against its bare encoder: what data, front end, views, loss and optimiser cost.

    python benchmarks/step.py [--threads 2] [--rounds 15]

The step is that of recipes/audio/esc50_simclr.yaml (AudioNTT2020 512, SimCLR, batch 128) on made-up sounds that were
decoded once. The bare encoder runs forward and backward over a ready batch of two views of the same size. Both take
turns in one process; figures are medians of wall time, and the share lost is the median of the rounds' shares.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from audiossl.audio.synth import make_sounds
from audiossl.data.batches import CropBatches
from audiossl.devices import keep_freed_memory
from audiossl.methods.base import At
from audiossl.progress import Silent
from audiossl.recipe.load import load_recipe
from audiossl.training.clips import measure_statistics
from audiossl.training.learner import Learner
from audiossl.training.optim import build_optimiser
from audiossl.training.prepare import Prepared, make_learner, prepare

PARTS = ("loader", "front end and views", "forward, loss, backward", "optimiser")
BARE = "bare encoder, forward and backward"
T = TypeVar("T")


class Clock:
    """Milliseconds of wall time by name, one value per round."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.ms.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result


class Contest:
    """The step and the bare encoder over the same weights."""

    def __init__(self, prepared: Prepared, learner: Learner, clock: Clock) -> None:
        self.learner, self.clock = learner, clock
        self.batches = CropBatches(prepared.source, prepared.plan)
        self.optimiser = build_optimiser(prepared.recipe, learner.method)
        self.ready = learner.make_views(self.batches[0])

    def step(self, number: int) -> None:
        learner, clock = self.learner, self.clock
        batch = clock.time(PARTS[0], lambda: self.batches[number])
        views = clock.time(PARTS[1], lambda: learner.make_views(batch))
        at = At(number, learner.steps, 0.0)
        clock.time(PARTS[2], lambda: learner.method.loss(views, batch.index, at)["loss"].backward())
        clock.time(PARTS[3], self.update)

    def update(self) -> None:
        self.optimiser.step()
        self.optimiser.zero_grad()

    def bare(self) -> None:
        embeddings = [self.learner.method.encoder(view) for view in self.ready]
        torch.stack(embeddings).sum().backward()
        self.optimiser.zero_grad()


def build(folder: Path, clips: int, threads: int) -> tuple[Prepared, Learner]:
    """The recipe's run on `clips` made-up sounds."""
    make_sounds(folder / "sounds", clips, 0)
    overrides = [f"data.manifest={folder / 'sounds'}", f"training.threads={threads}", "data.cache=on"]
    recipe = load_recipe("audio/esc50_simclr", [*overrides, 'training.precision="32"', "training.accelerator=cpu"])
    prepared = prepare(recipe, Silent())
    statistics = measure_statistics(prepared.source, prepared.plan.indices, prepared.recipe, prepared.frontend)
    return prepared, make_learner(prepared, statistics).train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clips", type=int, default=512, help="made-up sounds to draw from (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    clock = Clock()
    with tempfile.TemporaryDirectory() as name:
        os.environ["AUDIOSSL_CACHE"] = name
        prepared, learner = build(Path(name), options.clips, options.threads)
        contest = Contest(prepared, learner, clock)
        for number in range(options.rounds + 1):
            clock.time("step", lambda number=number: contest.step(number))
            clock.time(BARE, contest.bare)
    show({name: np.array(ms[1:]) for name, ms in clock.ms.items()}, prepared.recipe.training.batch_size, options)


def show(ms: dict[str, np.ndarray], batch: int, options: argparse.Namespace) -> None:
    whole = np.median(ms["step"])
    table = Table(
        title=f"Training step, batch {batch}, {options.threads} threads, medians of {options.rounds} rounds",
        title_justify="left",
    )
    for heading in ("part", "wall ms", "share of the step"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for name in (*PARTS, "step", BARE):
        table.add_row(name, f"{np.median(ms[name]):.1f}", f"{np.median(ms[name]) / whole:.1%}")
    lost = np.median(1 - ms[BARE] / ms["step"])
    table.add_row("lost to data, views, loss, optimiser", "", f"{lost:.1%}")
    console = Console(width=110)
    console.print(table)
    console.print(f"{1000 * batch / whole:.1f} clips (pairs of crops) per second")


if __name__ == "__main__":
    main()

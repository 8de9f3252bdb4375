"""Our batched views against the same chains in NumPy, clip by clip.

    python benchmarks/views.py [--batch 128] [--rounds 15]

Both sides compute float32, draw their own random parameters, run on one thread and take turns; figures are medians of
CPU time per view, the ratio is the median of the rounds' ratios. The NumPy side computes only what an example needs:
no copies but those that the augmentation is made of, random numbers in float32, masks written in place.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from audiossl.audio.views.build import build_views
from audiossl.recipe import spectrogram_views as sv
from audiossl.recipe.views import ViewsConfig
from audiossl.views.base import Draw

Array = np.ndarray
LN_10 = np.float32(np.log(10))
MEAN, STD = np.float32(-3.0), np.float32(0.9)
FONSECA = ViewsConfig()
MASKED = ViewsConfig(spectrogram=[*FONSECA.spectrogram[:-1], sv.SpecAugmentConfig(), sv.NormaliseConfig()])
BYOLA = ViewsConfig(spectrogram=[sv.NormaliseConfig(), sv.LogMixupExpConfig(), sv.CanvasCropConfig()])


def mix_back(x: Array, background: Array, rng: np.random.Generator) -> Array:
    alpha = np.float32(rng.uniform(0, 0.05))
    # exp and log have vector forms in NumPy where power and log10 have none.
    power, back = x * LN_10, background * LN_10
    np.exp(power, out=power)
    np.exp(back, out=back)
    back *= alpha * power.sum() / back.sum()
    power *= 1 - alpha
    power += back
    np.log(power, out=power)
    power *= 1 / LN_10
    return power


def linear(x: Array, first: int, length: int, axis: int) -> Array:
    size = x.shape[axis]
    position = np.clip((np.arange(size, dtype=np.float32) + 0.5) * (length / size) - 0.5, 0, length - 1) + first
    low = position.astype(np.intp)
    weight = (position - low).astype(np.float32)
    below = x.take(low, axis)
    above = x.take(np.minimum(low + 1, size - 1), axis)
    above -= below
    above *= weight[:, None] if axis == 0 else weight
    below += above
    return below


def random_resized_crop(x: Array, rng: np.random.Generator) -> Array:
    size_F, size_T = x.shape
    for _ in range(10):
        area, aspect = rng.uniform(0.8, 1) * size_F * size_T, np.exp(rng.uniform(np.log(0.75), np.log(1.3333)))
        bands, frames = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if bands <= size_F and frames <= size_T:
            break
    else:
        bands, frames = size_F, size_T
    band, frame = rng.integers(0, size_F - bands + 1), rng.integers(0, size_T - frames + 1)
    return linear(linear(x, band, bands, 0), frame, frames, 1)


def gaussian_noise(x: Array, rng: np.random.Generator) -> Array:
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    noise *= np.float32(rng.uniform(0, 0.01))
    x += noise
    return x


def spec_augment(x: Array, rng: np.random.Generator) -> Array:
    for axis in (0, 0, 1, 1):
        width = rng.integers(0, 20)
        start = rng.integers(0, x.shape[axis] - width + 1)
        x[(slice(None),) * axis + (slice(start, start + width),)] = x.min()
    return x


class NumpyFonseca:
    """Mix-back, random resized crop, compression, noise (and SpecAugment), normalisation of one clip at a time."""

    def __init__(self, *, masks: bool) -> None:
        self.masks = masks

    def __call__(self, batch: Array, out: Array, rng: np.random.Generator) -> None:
        for n, x in enumerate(batch):
            other = rng.integers(0, len(batch) - 1)
            mixed = random_resized_crop(mix_back(x, batch[other + (other >= n)], rng), rng)
            mixed *= np.float32(rng.uniform(0.75, 1))
            mixed = gaussian_noise(mixed, rng)
            if self.masks:
                mixed = spec_augment(mixed, rng)
            mixed -= MEAN
            np.divide(mixed, STD, out=out[n])


def cubic(length: int, first: int, inputs: int, outputs: int) -> Array:
    """The matrix (inputs, outputs) of a bicubic resize with corners on corners."""
    position = np.arange(outputs) * ((length - 1) / (outputs - 1))
    floor = position.astype(np.intp)
    matrix = np.zeros((inputs, outputs), dtype=np.float32)
    column = np.arange(outputs)
    for tap in range(-1, 3):
        distance = np.abs(position - floor - tap)
        near = (1.25 * distance - 2.25) * distance * distance + 1
        far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
        np.add.at(matrix, (np.clip(floor + tap, 0, length - 1) + first, column), np.where(distance <= 1, near, far))
    return matrix


class NumpyByola:
    """Normalisation, log-mixup-exp with a ring of past inputs, crop of the virtual canvas, one clip at a time."""

    def __init__(self) -> None:
        self.memory, self.seen = np.zeros((0, 0, 0), np.float32), 0

    def __call__(self, batch: Array, out: Array, rng: np.random.Generator) -> None:
        if not self.seen:
            self.memory = np.zeros((2048, *batch.shape[1:]), np.float32)
        for n, x in enumerate(batch):
            x = (x - MEAN) / STD
            past = self.memory[rng.integers(0, min(self.seen, 2048))] if self.seen else x
            alpha = np.float32(rng.uniform(0, 0.4))
            mixed, other = np.exp(x), np.exp(past)
            mixed *= 1 - alpha
            other *= alpha
            mixed += other
            np.log(mixed, out=mixed)
            self.memory[self.seen % 2048] = x
            self.seen += 1
            out[n] = self.crop(mixed, rng)

    def crop(self, x: Array, rng: np.random.Generator) -> Array:
        size_F, size_T = x.shape
        canvas = int(1.5 * size_T)
        bands = min(max(int(rng.uniform(0.6, 1.5) * size_F), 1), size_F)
        frames = min(max(int(rng.uniform(0.6, 1.5) * size_T), 1), canvas)
        band, frame = rng.integers(0, size_F - bands + 1), rng.integers(0, canvas - frames + 1)
        before = (canvas - size_T) // 2
        over_frames = cubic(frames, frame, canvas, size_T)[before : before + size_T]
        return cubic(bands, band, size_F, size_F).T @ x @ over_frames


def ours(config: ViewsConfig, x: torch.Tensor) -> Callable[[int], object]:
    views = build_views(config, sample_rate=22_050, log="log10", statistics=SimpleNamespace(mean=MEAN, std=STD))
    return lambda seed: views.spectrogram(x, Draw(torch.Generator().manual_seed(seed), views=2))


def theirs(chain: Callable[[Array, Array, np.random.Generator], None], x: torch.Tensor) -> Callable[[int], object]:
    batch, out = x[:, 0].numpy(), np.empty(x[:, 0].shape, np.float32)
    return lambda seed: chain(batch, out, np.random.default_rng(seed))


def cpu_ms(run: Callable[[int], object], seed: int) -> float:
    start = time.process_time()
    run(seed)
    return 1000 * (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="views per batch")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(
        title=f"Views, CPU ms per view, batch {options.batch}, one thread, medians of {options.rounds} rounds"
    )
    for column in ("chain", "spectrogram", "NumPy, per clip", "audiossl, batched", "times faster"):
        table.add_column(column, justify="left" if column == "chain" else "right")
    for name, config, chain, bands, frames in (
        ("Fonseca: mix-back, crop, compression, noise", FONSECA, NumpyFonseca(masks=False), 96, 101),
        ("the same and SpecAugment", MASKED, NumpyFonseca(masks=True), 96, 101),
        ("BYOL-A: log-mixup-exp, canvas crop", BYOLA, NumpyByola(), 64, 96),
    ):
        x = torch.randn(options.batch, 1, bands, frames) - 3
        sides = (theirs(chain, x), ours(config, x))
        rounds = [[cpu_ms(side, seed) / options.batch for side in sides] for seed in range(options.rounds + 3)][3:]
        numpy_ms, our_ms = np.median(rounds, axis=0)
        ratio = np.median([peer / own for peer, own in rounds])
        table.add_row(name, f"{bands} x {frames}", f"{numpy_ms:.3f}", f"{our_ms:.3f}", f"{ratio:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()

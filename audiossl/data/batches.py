"""Batches of crops as a pure function of the step: which clips, and where each crop starts.

Nothing here depends on a worker or on history, so training resumes exactly at any step with any number of workers.
Shapes: V views, N clips of a batch, S samples of a crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from audiossl.data.decoded import ClipSource
from audiossl.data.texts import text_rows
from audiossl.errors import DataError, MediaError
from audiossl.recipe.demands import check_batch
from audiossl.rng import numpy_stream


@dataclass(frozen=True)
class Batch:
    """The crops of one step."""

    step: int
    """Micro-batch number since the start of training."""
    wave: Tensor
    """(V * N, S) as they are stored; row v * N + n is view v of clip n."""
    index: Tensor
    """(N,) positions of the clips in the items table."""
    failures: list[tuple[int, str]]
    """Clips that could not be read and are left out: (position, cause)."""
    text: Tensor | None = None
    """(N, L) what the manifest says of each clip, see `text_rows`; None for a method that reads no text."""


@dataclass(frozen=True)
class Plan:
    """What a batch is made of."""

    indices: NDArray[np.int64]
    """Clips to draw from."""
    batch_size: int
    """Clips of a micro-batch over all ranks."""
    crop_samples: int
    """Samples of a crop, its context included."""
    hop: int
    """Crops start at multiples of it."""
    views: int = 2
    independent: bool = True
    """Whether each view has a crop of its own."""
    seed: int = 0
    rank: int = 0
    ranks: int = 1
    dtype: str = "float32"
    """Of the stored values, a NumPy name."""
    text_bytes: int = 128
    """L of `Batch.text`."""

    def __post_init__(self) -> None:
        check_batch(self.batch_size, len(self.indices))
        if self.batch_size % self.ranks:
            raise DataError(f"training.batch_size {self.batch_size} does not divide by {self.ranks} devices")

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches in one pass over the clips; the remainder of a pass is left for another shuffle."""
        return len(self.indices) // self.batch_size

    def clips(self, step: int) -> NDArray[np.int64]:
        """The clips of micro-batch `step` on this rank."""
        epoch, place = divmod(step, self.batches_per_epoch)
        order = _order(self.seed, epoch, len(self.indices))
        share = self.batch_size // self.ranks
        first = place * self.batch_size + self.rank * share
        return self.indices[order[first : first + share]]

    def starts(self, step: int, index: int, length: int) -> list[int]:
        """First sample of the crop of each view of clip `index`, uniform over all that fit, the last one included."""
        places = max(0, length - self.crop_samples) // self.hop + 1
        if places == 1:
            return [0] * self.views
        draws = numpy_stream(self.seed, "crop", step, index).integers(places, size=self.views) * self.hop
        return [int(draw) for draw in (draws if self.independent else draws[:1].repeat(self.views))]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    return numpy_stream(seed, "order", epoch).permutation(n)


class CropBatches(Dataset[Batch]):
    """Micro-batch number -> batch; with the clips' `texts` where the method reads them."""

    def __init__(self, source: ClipSource, plan: Plan, texts: Sequence[str] | None = None) -> None:
        self.source, self.plan, self.texts = source, plan, texts

    def __getitem__(self, step: int) -> Batch:
        plan = self.plan
        clips = plan.clips(step)
        wave = np.empty((plan.views, len(clips), plan.crop_samples), plan.dtype)
        kept: list[int] = []
        failures: list[tuple[int, str]] = []
        for clip in clips.tolist():
            try:
                for view, start in enumerate(plan.starts(step, clip, self.source.length(clip))):
                    wave[view, len(kept)] = self.source.read(clip, start, plan.crop_samples)
                kept.append(clip)
            except MediaError as error:
                failures.append((clip, error.cause))
        rows = wave[:, : len(kept)].reshape(-1, plan.crop_samples)
        text = None if self.texts is None else text_rows([self.texts[clip] for clip in kept], plan.text_bytes)
        return Batch(step, torch.from_numpy(rows), torch.tensor(kept), failures, text)


class Steps(Sampler[int]):
    """Micro-batch numbers from `first` to `last`: one long epoch that can begin anywhere."""

    def __init__(self, first: int, last: int) -> None:
        self._range = range(first, last)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


def make_loader(
    source: ClipSource,
    plan: Plan,
    first: int,
    last: int,
    *,
    texts: Sequence[str] | None = None,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Batch]:
    """A loader of micro-batches `first` to `last`; the batches do not depend on `workers`."""
    return DataLoader(
        CropBatches(source, plan, texts),
        batch_size=None,
        sampler=Steps(first, last),
        num_workers=workers,
        worker_init_fn=_one_thread,
        prefetch_factor=2 if workers else None,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
        # A forkserver would outlive a killed run, and its workers with it.
        multiprocessing_context="spawn" if workers else None,
    )


def centre_crops(source: ClipSource, indices: NDArray[np.int64], plan: Plan) -> tuple[Tensor, list[int]]:
    """The crop in the middle of each clip (N, S), and which clips they are: those that cannot be read are left out."""
    wave = np.empty((len(indices), plan.crop_samples), plan.dtype)
    kept: list[int] = []
    for clip in indices.tolist():
        places = max(0, source.length(clip) - plan.crop_samples) // plan.hop
        try:
            wave[len(kept)] = source.read(clip, places // 2 * plan.hop, plan.crop_samples)
        except MediaError:
            continue
        kept.append(clip)
    return torch.from_numpy(wave[: len(kept)]), kept


def middle_crops(source: ClipSource, plan: Plan, at_once: int = 256) -> Iterator[tuple[Tensor, list[int]]]:
    """`centre_crops` of every clip of `plan`, in parts of at most `at_once`."""
    for start in range(0, len(plan.indices), at_once):
        yield centre_crops(source, plan.indices[start : start + at_once], plan)


def for_rank(plan: Plan, rank: int, ranks: int) -> Plan:
    """`plan` for one of several processes."""
    return replace(plan, rank=rank, ranks=ranks)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)

"""From a recipe's data section to examples ready to be cropped, and the statistics of their spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiossl.bundle.bundle import Statistics
from audiossl.data.batches import Plan
from audiossl.data.decoded import ClipSource, DecodedStore, Failure, FileSource, store_key, usable
from audiossl.data.items import Items
from audiossl.devices import cores
from audiossl.errors import DataError, MediaError
from audiossl.files import cache_folder
from audiossl.media import Clips
from audiossl.modality import modality_of
from audiossl.progress import Progress
from audiossl.recipe.schema import Recipe
from audiossl.rng import numpy_stream


@dataclass(frozen=True)
class ClipReader:
    """The prepared examples of a table, by their place in it."""

    clips: Clips
    paths: Sequence[Path]
    spans: Sequence[tuple[float | None, float | None]]

    def __call__(self, index: int) -> NDArray[Any]:
        """Stored values (S,); raises `MediaError`."""
        return self.clips.read(self.paths[index], *self.spans[index])

    def length(self, index: int) -> int:
        """Values that `self(index)` will have, from the file's header; 0 when it cannot be read."""
        return self.clips.length(self.paths[index], *self.spans[index])


def clip_reader(items: Items, recipe: Recipe, frontend: nn.Module, frames: int | None = None) -> ClipReader:
    """The reader of `items` as `recipe` says; with `frames`, of crops of so many."""
    spans = list(zip(items.column("start_s"), items.column("end_s"), strict=True))
    return ClipReader(modality_of(recipe).clips(recipe, frontend, frames), items.paths(), spans)


def open_clips(reader: ClipReader, recipe: Recipe, progress: Progress) -> DecodedStore | FileSource:
    """Examples to crop from: decoded once into the cache folder, or file by file (`data.cache`, already resolved)."""
    if recipe.data.cache == "off":
        lengths = [reader.length(index) for index in range(len(reader.paths))]
        failures = [Failure(i, str(reader.paths[i]), "cannot be opened") for i, n in enumerate(lengths) if not n]
        return FileSource(reader, lengths, failures)
    key = store_key(reader.paths, reader.spans, reader.clips.key)
    progress.start("decoding", len(reader.paths), "files")
    try:
        return DecodedStore.make(
            cache_folder() / "decoded" / key,
            reader.paths,
            reader,
            dtype=reader.clips.dtype,
            threads=max(2, cores()),
            tick=lambda done: progress.advance(),
        )
    finally:
        progress.close()


def make_plan(recipe: Recipe, source: ClipSource, frontend: nn.Module, views: int) -> Plan:
    """The batches of a run over the files that can be read; raises `DataError` when they are too few."""
    clips = modality_of(recipe).clips(recipe, frontend, None)
    return Plan(
        indices=usable(source),
        batch_size=recipe.training.batch_size,
        crop_samples=clips.crop_samples,
        hop=clips.hop,
        dtype=clips.dtype,
        views=views,
        independent=getattr(recipe.data, "crops", "independent") == "independent",
        seed=recipe.seed,
        text_bytes=recipe.data.text_bytes,
    )


@torch.no_grad()
def measure_statistics(
    source: ClipSource, indices: NDArray[np.int64], recipe: Recipe, frontend: nn.Module
) -> Statistics:
    """Mean and deviation of each channel of what the front end gives, over a drawn `data.statistics_items` of them.

    Of a long example one drawn stretch is measured.
    """
    chosen = indices
    if len(indices) > recipe.data.statistics_items:
        draw = numpy_stream(recipe.seed, "statistics")
        chosen = np.sort(draw.choice(indices, recipe.data.statistics_items, replace=False))
    longest = modality_of(recipe).clips(recipe, frontend, None).measured
    count, total_C, squares_C = 0, torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for clip in chosen.tolist():
        length = source.length(clip)
        start = int(numpy_stream(recipe.seed, "statistics", clip).integers(max(1, length - longest + 1)))
        try:
            samples = torch.from_numpy(source.read(clip, start, min(length, longest)))
        except MediaError:
            continue
        values_BCFT: Tensor = frontend(samples[None], centre=False).double()
        count += values_BCFT.numel() // values_BCFT.shape[1]
        total_C = total_C + values_BCFT.sum((0, 2, 3))
        squares_C = squares_C + values_BCFT.square().sum((0, 2, 3))
    if not count:
        raise DataError("none of the files can be decoded; `audiossl data check --verify` lists why")
    mean_C = total_C / count
    std_C = (squares_C / count - mean_C**2).clamp(min=0).sqrt().clamp(min=1e-5)
    if len(mean_C) == 1:
        return Statistics(mean=mean_C.item(), std=std_C.item(), items=len(chosen))
    return Statistics(mean=tuple(mean_C.tolist()), std=tuple(std_C.tolist()), items=len(chosen))

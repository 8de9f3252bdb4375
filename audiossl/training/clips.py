"""From a recipe's data section to clips ready to be cropped, and the statistics of their spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiossl.audio.frontend import FrontEnd
from audiossl.bundle.bundle import Statistics
from audiossl.data.batches import Plan
from audiossl.data.decoded import ClipSource, DecodedStore, Failure, FileSource, Samples, store_key, usable
from audiossl.data.items import Items
from audiossl.devices import cores
from audiossl.errors import AudioError, DataError
from audiossl.files import cache_folder
from audiossl.modality import Modality
from audiossl.progress import Progress
from audiossl.recipe.schema import Recipe
from audiossl.rng import numpy_stream


@dataclass(frozen=True)
class ClipReader:
    """The whole prepared clip of an item: decoded, its whole-clip step done, repeated to a crop, ends padded."""

    modality: Modality
    frontend: FrontEnd
    paths: Sequence[Path]
    spans: Sequence[tuple[float | None, float | None]]
    crop_samples: int

    def __call__(self, index: int) -> Samples:
        """Samples (S,) float32; raises `AudioError`."""
        start_s, end_s = self.spans[index]
        sound = self.modality.decode(
            self.paths[index],
            self.frontend.config.sample_rate,
            start_s=start_s or 0.0,
            duration_s=None if end_s is None else end_s - (start_s or 0.0),
        )
        return self._ready(sound.samples)

    def length(self, index: int) -> int:
        """Samples that `self(index)` will have, from the file's header; 0 when it cannot be read."""
        try:
            info = self.modality.probe(self.paths[index])
        except AudioError:
            return 0
        start_s, end_s = self.spans[index]
        duration_s = min(info.duration_s, end_s or info.duration_s) - (start_s or 0.0)
        config = self.frontend.config
        samples = int(max(duration_s, config.min_s) * config.sample_rate)
        return max(samples, self.crop_samples - config.window_length) + config.window_length

    def _ready(self, samples: Samples) -> Samples:
        prepared = self.frontend.prepare(samples)
        shortest = self.crop_samples - self.frontend.config.window_length
        if len(prepared) < shortest:
            prepared = np.resize(prepared, shortest)
        return self.frontend.pad_context(prepared)


def crop_samples(recipe: Recipe, frontend: FrontEnd) -> int:
    """Samples of a training crop with its context: the frames that fit into `data.crop_s`, one more if they end it."""
    config = recipe.frontend
    frames = max(1, round(recipe.data.crop_s * config.sample_rate / config.hop))
    return frontend.samples_for(frames)


def clip_reader(items: Items, recipe: Recipe, modality: Modality, frontend: FrontEnd) -> ClipReader:
    """The reader of `items` as `recipe` says."""
    spans = list(zip(items.column("start_s"), items.column("end_s"), strict=True))
    return ClipReader(modality, frontend, items.paths(), spans, crop_samples(recipe, frontend))


def open_clips(reader: ClipReader, recipe: Recipe, progress: Progress) -> DecodedStore | FileSource:
    """Clips to crop from: decoded once into the cache folder, or file by file (`data.cache`, already resolved)."""
    threads = max(2, cores())
    if recipe.data.cache == "off":
        lengths = [reader.length(index) for index in range(len(reader.paths))]
        failures = [Failure(i, str(reader.paths[i]), "cannot be opened") for i, n in enumerate(lengths) if not n]
        return FileSource(reader, lengths, failures)
    relevant = recipe.frontend.model_dump_json(include={"sample_rate", "waveform", "min_s", "padding", "window_length"})
    key = store_key(reader.paths, reader.spans, f"{relevant}|{reader.crop_samples}")
    progress.start("decoding", len(reader.paths), "clips")
    try:
        return DecodedStore.make(
            cache_folder() / "decoded" / key,
            reader.paths,
            reader,
            threads=threads,
            tick=lambda done: progress.advance(),
        )
    finally:
        progress.close()


def make_plan(recipe: Recipe, source: ClipSource, frontend: FrontEnd, views: int) -> Plan:
    """The batches of a run over the clips that can be read; raises `DataError` when they are too few."""
    return Plan(
        indices=usable(source),
        batch_size=recipe.training.batch_size,
        crop_samples=crop_samples(recipe, frontend),
        hop=recipe.frontend.hop,
        views=views,
        independent=recipe.data.crops == "independent",
        seed=recipe.seed,
        text_bytes=recipe.data.text_bytes,
    )


@torch.no_grad()
def measure_statistics(
    source: ClipSource, indices: NDArray[np.int64], recipe: Recipe, frontend: FrontEnd
) -> Statistics:
    """Mean and deviation over every value of the log-mels of the clips, or of a drawn `data.statistics_items` of them.

    Of a clip longer than 30 s one drawn stretch of 30 s is measured.
    """
    chosen = indices
    if len(indices) > recipe.data.statistics_items:
        draw = numpy_stream(recipe.seed, "statistics")
        chosen = np.sort(draw.choice(indices, recipe.data.statistics_items, replace=False))
    longest = 30 * recipe.frontend.sample_rate
    count, total, squares = 0, 0.0, 0.0
    for clip in chosen.tolist():
        length = source.length(clip)
        start = int(numpy_stream(recipe.seed, "statistics", clip).integers(max(1, length - longest + 1)))
        try:
            samples = torch.from_numpy(source.read(clip, start, min(length, longest)))
        except AudioError:
            continue
        values = frontend(samples[None], centre=False).double()
        count += values.numel()
        total += float(values.sum())
        squares += float(values.square().sum())
    if not count:
        raise DataError("none of the clips can be decoded; `audiossl data check --verify` lists why")
    mean = total / count
    return Statistics(mean=mean, std=max(1e-5, (squares / count - mean**2) ** 0.5), items=len(chosen))

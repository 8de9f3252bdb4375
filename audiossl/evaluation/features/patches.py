"""Patches: short windows of the spectrogram of a whole clip, each with an embedding of its own.

As in Fonseca et al. 2021 the whole-clip step of the front end (peak normalisation, repetition) is done once and the
spectrogram is made of the whole clip, so that a patch is what the encoder saw in training. A clip that is shorter than
a patch is repeated.

Letters: N items, P patches, D embedding, F mel bands, T frames.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiossl.bundle.bundle import Array, Bundle
from audiossl.data.items import Items
from audiossl.devices import choose_device, cores, one_thread_per_worker
from audiossl.embedding.frames import rows_at_once
from audiossl.encoders.base import Encoder
from audiossl.errors import DataError, MediaError
from audiossl.evaluation.protocol.parts import PatchFeatures
from audiossl.progress import Progress
from audiossl.training.clips import clip_reader

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Patches:
    """Embeddings (P, D) of the patches of N items, item after item, in order of time."""

    values: Array
    owner: Ints
    """The item of each patch (P,), ascending."""
    scored: Bools
    """Which patches (P,) an item's scores are averaged over; the others are only learnt from."""

    @cached_property
    def count(self) -> Ints:
        """Patches of each item (N,)."""
        return np.bincount(self.owner)

    @cached_property
    def first(self) -> Ints:
        """The first patch of each item (N,)."""
        return np.cumsum(self.count) - self.count


@dataclass(frozen=True)
class MovingPatches:
    """What is needed to embed patches anew: the whole spectrograms, in memory, and the encoder, to be copied."""

    encoder: Encoder
    spectrograms: list[Tensor]
    """(F, T) of each item, normalised, on the CPU."""
    length: int
    """Frames of a patch."""
    hop: int
    """Frames between patches that are scored."""


class Grid(NamedTuple):
    """In frames of the front end."""

    length: int
    step: int
    """Between patches that are learnt from."""
    every: int
    """Of these, one in so many is scored."""


def grid_of(bundle: Bundle, config: PatchFeatures) -> Grid:
    """The grid that the front end of `bundle` makes of `config`."""
    front = bundle.recipe.frontend
    frame_s = front.hop / front.sample_rate
    if config.window_s == "crop":
        clips = bundle.modality.clips(bundle.recipe, bundle.frontend, None)
        length = bundle.frontend.frames_for(clips.crop_samples, centre=False)
    else:
        length = max(1, round(config.window_s / frame_s))
    every = round(config.hop_s / config.learning_hop_s)
    return Grid(length, max(1, round(config.learning_hop_s / frame_s)), every)


def patch_features(bundle: Bundle, items: Items, config: PatchFeatures, progress: Progress) -> Patches | MovingPatches:
    """The patches of all items, as `config` asks.

    Args:
        bundle: is moved to the best device; its weights stay as they are.
        items: what to embed.
        config: `batch_norm: train` gives `MovingPatches`, for which all spectrograms are held in memory.
        progress: told about every item.

    Raises:
        DataError: an item cannot be read.
    """
    grid = grid_of(bundle, config)
    bundle = bundle.to(choose_device("auto"))
    if config.batch_norm == "train":
        spectrograms = _each(bundle, items, grid, lambda x_FT: x_FT.cpu(), progress)
        return MovingPatches(bundle.encoder, spectrograms, grid.length, grid.step * grid.every)
    found = _each(bundle, items, grid, lambda x_FT: _embedded(bundle, x_FT, grid), progress)
    counts = [len(values) for values in found]
    return Patches(
        values=np.concatenate(found),
        owner=np.repeat(np.arange(len(items)), counts),
        scored=np.concatenate([np.arange(count) % grid.every == 0 for count in counts]),
    )


@torch.inference_mode()
def _embedded(bundle: Bundle, x_FT: Tensor, grid: Grid) -> Array:
    """(P, D) of one spectrogram."""
    front = bundle.recipe.frontend
    patches_PFT = x_FT.unfold(1, grid.length, grid.step).transpose(0, 1)
    rows = rows_at_once(grid.length * front.hop / front.sample_rate, x_FT.device)
    parts = [bundle.encoder(part[:, None]).float().cpu().numpy() for part in torch.split(patches_PFT, rows)]
    return np.concatenate(parts)


def _each(bundle: Bundle, items: Items, grid: Grid, make: Callable[[Tensor], Any], progress: Progress) -> list[Any]:
    """`make` of the normalised spectrogram (F, T) of every item, one item per core at a time."""
    reader = clip_reader(items, bundle.recipe, bundle.frontend, grid.length)

    def one(index: int) -> Any:
        x_BS = torch.from_numpy(reader(index)).to(bundle.device)[None]
        return make(bundle.normalise(bundle.frontend(x_BS, centre=False))[0, 0])

    found = []
    progress.start("embedding patches", len(items), "clips")
    pool = ThreadPoolExecutor(cores(), "patches")
    try:
        with one_thread_per_worker():
            for result in pool.map(one, range(len(items))):
                found.append(result)
                progress.advance()
    except MediaError as error:
        raise DataError(f"{error}; mend or remove the file, or leave it out with --skip-failed") from error
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    return found

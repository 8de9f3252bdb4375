"""Embeddings along a sound: a window around each timestamp, for event detection and `audiossl.hear`.

Why windows and not the encoder's own frames: every encoder takes them, each row has the size D and the meaning of a
clip's embedding at the length that the encoder was trained on, and the hop is free, where an encoder's own frames
are 80 ms (AudioNTT2020, VGG-like) to 320 ms (ResNet-18) apart. The price is that a second of sound is encoded
`window_s / hop_s` times.

- Timestamp u is `u * step` front-end frames after the sound's start, `step` being the most frames that fit into
  `hop_s`, at least one: exactly regular, free of drift. The first is 0; the last lies inside the sound.
- The window around it is `length` frames, of which `length // 2` come before; beyond the ends there is silence.
- The whole-clip step of the front end (peak normalisation, repetition) is done once, on the whole sound.

Shapes: B sounds, S samples, U timestamps, F mel bands, T frames, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.audio.decode import decode_part
from audiossl.bundle.bundle import Array, Bundle, Times
from audiossl.data.items import Items
from audiossl.devices import choose_device, cores, one_thread_per_worker
from audiossl.embedding.features import refuse_failures
from audiossl.embedding.jobs import Failed, Job, jobs_of
from audiossl.embedding.options import EmbedOptions, FrameOptions
from audiossl.errors import MediaError
from audiossl.progress import Progress, Silent

_CPU_BATCH_S, _DEVICE_BATCH_S = 8.0, 320.0
_ROUNDING = 1e-6
_SPAN_S = 30.0
"""Seconds of log-mel at once, of which the windows are views."""


class FrameFeatures(NamedTuple):
    """One sound: `times_s` (U,) in seconds from its start, `values` (U, D) float32."""

    times_s: Times
    values: Array


@dataclass(frozen=True)
class Grid:
    """Timestamps and windows in front-end frames of `hop` samples."""

    step: int
    length: int
    hop: int
    sample_rate: int

    @property
    def hop_s(self) -> float:
        """Seconds between timestamps, exactly."""
        return self.step * self.hop / self.sample_rate

    def count(self, samples: int) -> int:
        """U of a sound of `samples` >= 1 samples."""
        return 1 + (samples - 1) // (self.step * self.hop)

    def times_s(self, samples: int) -> Times:
        """The timestamps (U,) in seconds."""
        times: Times = np.arange(self.count(samples)) * (self.step * self.hop) / self.sample_rate
        return times


def grid_of(bundle: Bundle, options: FrameOptions) -> Grid:
    """The grid that the front end of `bundle` can make of `options` (raises `UsageError`: it takes no sounds)."""
    config, rate = bundle.recipe.frontend, bundle.sample_rate
    frame_s = config.hop / rate
    crop_s = min(bundle.recipe.data.crop_s, options.max_window_s)
    window_s = crop_s if options.window_s == "auto" else options.window_s
    step, length = int(options.hop_s / frame_s + _ROUNDING), round(window_s / frame_s)
    return Grid(max(1, step), max(1, length), config.hop, rate)


def rows_at_once(window_s: float, device: torch.device) -> int:
    """How many windows of `window_s` seconds an encoder takes at once."""
    return max(1, int((_CPU_BATCH_S if device.type == "cpu" else _DEVICE_BATCH_S) / window_s))


@torch.no_grad()
def embed_timestamps(bundle: Bundle, x_BS: Tensor, count: int, grid: Grid) -> Tensor:
    """Embeddings (B, count, D) float32 around the first `count` timestamps of prepared waveforms (B, S).

    Memory beside input and output is bounded, whatever B, S and `count` are.
    """
    rows = rows_at_once(grid.length * grid.hop / grid.sample_rate, x_BS.device)
    out_BUD = x_BS.new_empty(len(x_BS), count, bundle.embedding_dim, dtype=torch.float32)
    for first in range(0, len(x_BS), rows):
        sounds = slice(first, first + rows)
        at_once = max(1, rows // len(x_BS[sounds]))
        for start, windows_BUFT in _windows(bundle, x_BS[sounds], count, grid):
            for u in range(0, windows_BUFT.shape[1], at_once):
                some = windows_BUFT[:, u : u + at_once]
                embedded = bundle.encoder(some.flatten(0, 1).unsqueeze(1)).float()
                out_BUD[sounds, start + u : start + u + some.shape[1]] = embedded.unflatten(0, some.shape[:2])
    return out_BUD


def _windows(bundle: Bundle, x_BS: Tensor, count: int, grid: Grid) -> Iterator[tuple[int, Tensor]]:
    """The windows as views (B, U', F, length) of one span of log-mel after the other, each with its first timestamp."""
    span = max(1, round(_SPAN_S / grid.hop_s / len(x_BS)))
    for start in range(0, count, span):
        n = min(span, count - start)
        begin = (start * grid.step - grid.length // 2) * grid.hop - bundle.frontend.context
        end = begin + bundle.frontend.samples_for((n - 1) * grid.step + grid.length)
        piece_BS = x_BS[:, max(0, begin) : max(0, end)]
        before = max(0, -begin)
        piece_BS = F.pad(piece_BS, (before, end - begin - before - piece_BS.shape[1]))
        x_BCFT = bundle.normalise(bundle.frontend(piece_BS, centre=False))
        yield start, x_BCFT[:, 0].unfold(2, grid.length, grid.step).permute(0, 2, 1, 3)


def frame_features(
    bundle: Bundle,
    items: Items,
    hop_s: float,
    *,
    options: EmbedOptions | None = None,
    progress: Progress | None = None,
) -> list[FrameFeatures]:
    """Timestamps and the embeddings around them of all items, in their order.

    Times count from the start of the item, as those of its events do. A file is held in memory as a whole, which is
    less than its embeddings take.

    Args:
        bundle: is moved to the device of `options`.
        items: what to embed.
        hop_s: seconds between timestamps, rounded down to a whole number of front-end frames.
        options: device, workers, `nonfinite`, and `window_s`, the seconds around a timestamp (the training crop, at
            most 1 s, when left out).
        progress: told about every item.

    Raises:
        DataError: an item cannot be read; the first ten are named.
    """
    options, progress = options or EmbedOptions(), progress or Silent()
    bundle = bundle.to(choose_device(options.device))
    grid = grid_of(bundle, FrameOptions(hop_s=hop_s, window_s=options.window_s or "auto"))
    found: dict[int, FrameFeatures] = {}
    failures: list[Failed] = []
    progress.start("embedding", len(items), "clips")
    pool = ThreadPoolExecutor(cores() if options.workers == "auto" else options.workers, "frames")
    try:
        with one_thread_per_worker():
            work = [pool.submit(_embedded, bundle, job, grid, options) for job in jobs_of(items)]
            for done in as_completed(work):
                result = done.result()
                if isinstance(result, Failed):
                    failures.append(result)
                else:
                    found[result[0].index] = result[1]
                progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    refuse_failures(failures)
    return [found[index] for index in range(len(items))]


def _embedded(bundle: Bundle, job: Job, grid: Grid, options: EmbedOptions) -> tuple[Job, FrameFeatures] | Failed:
    try:
        sound = decode_part(job.path, bundle.sample_rate, job.start_s, job.end_s, nonfinite=options.nonfinite)
    except MediaError as error:
        return Failed(job, error.cause, error.offset_s)
    prepared = torch.from_numpy(bundle.frontend.prepare(sound.samples)).to(bundle.device)[None]
    values: Array = embed_timestamps(bundle, prepared, grid.count(len(sound.samples)), grid)[0].cpu().numpy()
    times_s = grid.times_s(len(sound.samples))
    if not np.isfinite(values).all():
        return Failed(job, "its embedding is not finite", float(times_s[np.argmin(np.isfinite(values).all(axis=1))]))
    return job, FrameFeatures(times_s, values)

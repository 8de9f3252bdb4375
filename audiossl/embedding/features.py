"""Clip embeddings of a data set in memory, for probes and monitors: the same pipeline as `embed`, without files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audiossl.bundle.bundle import Array, Bundle
from audiossl.data.items import Items
from audiossl.embedding.engine import Engine
from audiossl.embedding.jobs import Embedded, Failed, jobs_of
from audiossl.embedding.options import EmbedOptions
from audiossl.errors import DataError
from audiossl.progress import Progress, Silent

_TOLD = 10


class ClipFeatures(NamedTuple):
    """Clip embeddings in the order of the items.

    Attributes:
        values: (N, D) float32; rows of failed items are zero.
        ok: (N,) bool, false where the item failed.
        failures: one per failed item, with path, cause and offset.
    """

    values: Array
    ok: npt.NDArray[np.bool_]
    failures: list[Failed]


def clip_features(
    bundle: Bundle, items: Items, options: EmbedOptions | None = None, *, progress: Progress | None = None
) -> Array:
    """The clip embeddings (N, D) float32 of all items, in their order.

    Args:
        bundle: is moved to the device of `options`.
        items: what to embed.
        options: windows, device, precision, workers; the defaults when left out.
        progress: told about every item.

    Raises:
        DataError: an item cannot be read; the first ten are named.
    """
    features = readable_features(bundle, items, options, progress=progress)
    refuse_failures(features.failures)
    return features.values


def readable_features(
    bundle: Bundle, items: Items, options: EmbedOptions | None = None, *, progress: Progress | None = None
) -> ClipFeatures:
    """As `clip_features`, with items that cannot be read told in the result instead of raised."""
    progress = progress or Silent()
    values = np.zeros((len(items), bundle.embedding_dim), np.float32)
    ok = np.zeros(len(items), bool)
    failures: list[Failed] = []
    progress.start("embedding", len(items), bundle.modality.nouns)
    try:
        for result in Engine(bundle, options or EmbedOptions()).run(jobs_of(items)):
            if isinstance(result, Embedded):
                values[result.job.index] = result.clip
                ok[result.job.index] = True
            else:
                failures.append(result)
            progress.advance(failed=len(failures)) if failures else progress.advance()
    finally:
        progress.close()
    return ClipFeatures(values, ok, sorted(failures, key=lambda failed: failed.job.index))


def refuse_failures(failures: Sequence[Failed]) -> None:
    """Raise `DataError` naming the first ten of `failures`, if there are any."""
    told = [f"{failed.job.path}: {failed.cause}" for failed in sorted(failures, key=lambda failed: failed.job.index)]
    if len(told) > _TOLD:
        told[_TOLD:] = [f"... and {len(told) - _TOLD:,} more; `audiossl data check` counts them"]
    if told:
        raise DataError("\n".join(told))

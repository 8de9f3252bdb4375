"""Write an encoder bundle: one safetensors file, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from safetensors.torch import save
from torch import nn

from audiossl import files
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.metadata import KEY, PREFIX, compose
from audiossl.encoders.base import Encoder
from audiossl.recipe.schema import Recipe


def save_bundle(
    path: str | Path,
    *,
    encoder: nn.Module,
    recipe: Recipe,
    statistics: Statistics,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """Write a bundle to `path`.

    Args:
        path: usually ends in `.safetensors`.
        encoder: any device, any mode; has `embedding_dim`.
        recipe: with every "auto" resolved.
        statistics: the normalisation measured on the training data.
        training: steps, epochs, loss, last monitors, wall time, date; plain JSON values.
        data: the data's fingerprint; plain JSON values.

    Returns:
        The sha256 of the file, in hex: the encoder's identity.

    Raises:
        WriteError: the disk is full or the place cannot be written; `path` is as it was before.
    """
    content = serialise(encoder=encoder, recipe=recipe, statistics=statistics, training=training, data=data)
    files.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def serialise(
    *,
    encoder: nn.Module,
    recipe: Recipe,
    statistics: Statistics,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a bundle; the same arguments give the same bytes."""
    # Cloned, because safetensors refuses tensors that share memory.
    state = encoder.state_dict()
    weights = {PREFIX + name: weight.detach().to("cpu", copy=True).contiguous() for name, weight in state.items()}
    about = compose(recipe, asdict(statistics), cast(Encoder, encoder).embedding_dim, training=training, data=data)
    return save(weights, metadata={KEY: about})

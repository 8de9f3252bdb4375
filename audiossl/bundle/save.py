"""Write an encoder bundle: one safetensors file, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from safetensors.torch import save
from torch import Tensor, nn

from audiossl import files
from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.metadata import KEY, PREFIX, TEXT_PREFIX, compose
from audiossl.bundle.text import TextSide
from audiossl.encoders.base import Encoder
from audiossl.recipe.schema import Recipe


def save_bundle(
    path: str | Path,
    *,
    encoder: nn.Module,
    recipe: Recipe,
    statistics: Statistics,
    text: TextSide | None = None,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """Write a bundle to `path`.

    Args:
        path: usually ends in `.safetensors`.
        encoder: any device, any mode; has `embedding_dim`.
        recipe: with every "auto" resolved.
        statistics: the normalisation measured on the training data.
        text: of a method that learnt with texts.
        training: steps, epochs, loss, last monitors, wall time, date; plain JSON values.
        data: the data's fingerprint; plain JSON values.

    Returns:
        The sha256 of the file, in hex: the encoder's identity.

    Raises:
        WriteError: the disk is full or the place cannot be written; `path` is as it was before.
    """
    content = serialise(encoder=encoder, recipe=recipe, statistics=statistics, text=text, training=training, data=data)
    files.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def serialise(
    *,
    encoder: nn.Module,
    recipe: Recipe,
    statistics: Statistics,
    text: TextSide | None = None,
    training: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a bundle; the same arguments give the same bytes."""
    weights = _named(PREFIX, encoder) | ({} if text is None else _named(TEXT_PREFIX, text))
    about = compose(
        recipe,
        asdict(statistics),
        cast(Encoder, encoder).embedding_dim,
        text_dim=None if text is None else text.dim,
        training=training,
        data=data,
    )
    return save(weights, metadata={KEY: about})


def bundle_bytes(bundle: Bundle) -> bytes:
    """The bytes of `bundle` as it is in memory, for a process that has no file of it."""
    return serialise(
        encoder=bundle.encoder,
        recipe=bundle.recipe,
        statistics=bundle.statistics,
        text=bundle.text,
        training=bundle.about.get("training"),
        data=bundle.about.get("data"),
    )


def _named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """The tensors of `module`, copied, because safetensors refuses tensors that share memory."""
    state = module.state_dict()
    return {prefix + name: weight.detach().to("cpu", copy=True).contiguous() for name, weight in state.items()}

"""What a row is: which model, which of its layers, pooled over time how. An engine knows no more of a model than this.

Letters: B windows, S samples, U frames in time, R rows per window, D dimensions of a row.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from audiossl.bundle.bundle import Bundle
from audiossl.bundle.windows import Samples
from audiossl.devices import choose_device, multiplies_bf16
from audiossl.embedding.options import EmbedOptions
from audiossl.modality import Modality, modality_of
from audiossl.recipe.schema import EmbeddingConfig


class Extractor(Protocol):
    """A model on its device, and what of it becomes rows.

    Attributes:
        sample_rate: in Hz, of the sounds it wants.
        modality: how files are read.
        device: where `encode` wants its input.
        embedding: how sounds are cut into windows.
        embedding_dim: D.
    """

    sample_rate: int
    modality: Modality
    device: torch.device
    embedding: EmbeddingConfig
    embedding_dim: int

    def prepare(self, samples: Samples) -> Samples:
        """One window's samples as `encode` wants them; they may be repeated to a least length."""

    def encode(self, x_BS: Tensor) -> Tensor:
        """Rows (B, R, D) float32 of prepared windows of one length; R depends on their length alone."""

    def about(self) -> dict[str, Any]:
        """What a store says of the model; decides no number."""

    def parameters(self) -> dict[str, Any]:
        """Everything about the model and its rows that decides a number."""


class BundleExtractor:
    """A trained encoder's rows. Moves the bundle to the device of `options`."""

    def __init__(self, bundle: Bundle, options: EmbedOptions) -> None:
        self.device = choose_device(options.device)
        self._bundle = bundle.to(self.device)
        self._bf16 = options.precision == "bf16" or (options.precision == "auto" and multiplies_bf16(self.device))
        self.sample_rate, self.modality = bundle.sample_rate, modality_of(bundle.recipe)
        self.embedding = windows_of(bundle.recipe.embedding, options)
        self.embedding_dim = bundle.embedding_dim

    def prepare(self, samples: Samples) -> Samples:
        """The front end's whole-clip step."""
        prepared: Samples = self._bundle.frontend.prepare(samples)
        return prepared

    def encode(self, x_BS: Tensor) -> Tensor:
        """Rows (B, R, D) float32."""
        return self._bundle.encode(x_BS, bf16=self._bf16)[:, None]

    def about(self) -> dict[str, Any]:
        """The bundle's description."""
        return {"torch": torch.__version__, "device": str(self.device), "model": self._bundle.describe()}

    def parameters(self) -> dict[str, Any]:
        """The bundle's hash and the precision."""
        return {"model": self._bundle.sha256, "precision": "bf16" if self._bf16 else "32"}


def make_extractor(model: Bundle, options: EmbedOptions) -> Extractor:
    """What makes rows of `model` as `options` say.

    Raises:
        UsageError: a device that is not there, or an option that the model cannot follow.
    """
    return BundleExtractor(model, options)


def windows_of(embedding: EmbeddingConfig, options: EmbedOptions) -> EmbeddingConfig:
    """A model's windows with what `options` say otherwise."""
    told = {name: value for name in ("window_s", "hop_s") if (value := getattr(options, name)) is not None}
    return embedding.model_copy(update=told)

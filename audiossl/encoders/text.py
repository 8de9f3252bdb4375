"""Encoders of texts, given as UTF-8 bytes.

Shapes: N texts, L bytes of the longest with zeros after the others' ends, D embedding size.
"""

from __future__ import annotations

import abc
import math
from typing import Any

import torch
from torch import Tensor, nn

from audiossl.errors import RecipeError
from audiossl.recipe.text_encoders import SentenceTransformersConfig, TextTransformerConfig


class TextEncoder(nn.Module, abc.ABC):
    """From bytes (N, L), int64, to embeddings (N, D). Neither L nor the other texts of a batch change an embedding."""

    embedding_dim: int
    """D."""

    @abc.abstractmethod
    def forward(self, x_NL: Tensor) -> Tensor:
        """The embeddings (N, D)."""


class TextTransformer(TextEncoder):
    """A transformer over bytes with sinusoidal positions (Vaswani et al. 2017), normalised before each part.

    Equal texts of a batch are encoded once: with class names as texts that is most of the work.
    """

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__()
        self.embedding_dim = dim = config.dim
        self.bytes = nn.Embedding(256, dim)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, config.heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x_NL: Tensor) -> Tensor:
        """The mean over each text's bytes (N, D); of an empty text, over the one zero it has."""
        x_UL, places_N = torch.unique(x_NL, dim=0, return_inverse=True)
        longest = max(1, int((x_UL > 0).sum(dim=1).max()))
        x_UL = x_UL[:, :longest]
        past_UL = x_UL == 0
        past_UL[:, 0] = False
        z_ULD = self.bytes(x_UL) + _positions(longest, self.embedding_dim, x_UL.device)
        for layer in self.layers:
            z_ULD = layer(z_ULD, src_key_padding_mask=past_UL)
        kept_UL1 = ~past_UL[:, :, None]
        z_UD: Tensor = (self.norm(z_ULD) * kept_UL1).sum(dim=1) / kept_UL1.sum(dim=1)
        return z_UD[places_N]


class SentenceTransformers(TextEncoder):
    """A model of the library sentence-transformers.

    Raises:
        RecipeError: the library is not installed, or the model cannot be loaded.
    """

    def __init__(self, config: SentenceTransformersConfig) -> None:
        super().__init__()
        model = _load(config.model)
        self.embedding_dim = int(model.get_sentence_embedding_dimension())
        if config.frozen:
            # In a tuple it is no part of the state: what never changes need not be saved.
            self._held = (model.eval().requires_grad_(False),)
        else:
            self.model = model

    def forward(self, x_NL: Tensor) -> Tensor:
        """The model's sentence embeddings (N, D)."""
        model = self._held[0].to(x_NL.device) if hasattr(self, "_held") else self.model
        texts = [bytes(row[row > 0].tolist()).decode(errors="ignore") for row in x_NL.cpu()]
        features = {name: value.to(x_NL.device) for name, value in model.tokenize(texts).items()}
        embeddings: Tensor = model(features)["sentence_embedding"]
        return embeddings


def _positions(length: int, dim: int, device: torch.device) -> Tensor:
    """Sines and cosines (length, dim) of each position, of wavelengths from 2 pi to 10,000 times that."""
    rates = torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10_000.0) / dim))
    angles = torch.arange(length, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _load(model: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise RecipeError(
            "method.partner: sentence-transformers is not installed; run `pip install 'audiossl-toolkit[text]'` or "
            "write the partner text_transformer"
        ) from error
    try:
        with torch.device("cpu"):
            return SentenceTransformer(model, device="cpu")
    except (OSError, ValueError, RuntimeError) as error:
        raise RecipeError(
            f"method.partner: sentence-transformers cannot load {model} ({error}); write the folder of a model"
        ) from error

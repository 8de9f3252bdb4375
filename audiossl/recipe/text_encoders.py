"""Encoders of texts: the partner of a sound's encoder in methods that learn from pairs of sound and words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from audiossl.recipe.base import Config, Count


class TextTransformerConfig(Config):
    """A small transformer over UTF-8 bytes, from scratch: any language, no vocabulary; the mean over the bytes."""

    name: Literal["text_transformer"] = "text_transformer"
    dim: Count = 256
    """Width, and the embedding's size; even."""
    layers: Count = 4
    heads: Count = 4

    @model_validator(mode="after")
    def _width(self) -> TextTransformerConfig:
        if self.dim % 2 or self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is odd, or no multiple of its {self.heads} heads; write another")
        return self


class SentenceTransformersConfig(Config):
    """A sentence encoder that others trained, frozen unless told otherwise (needs the extra `text`).

    Frozen weights are not copied into checkpoints and bundles: the model must be there wherever they are used.
    """

    name: Literal["sentence_transformers"] = "sentence_transformers"
    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    """Its name on the Hugging Face hub, or its folder."""
    frozen: bool = True
    """Train only the heads above it."""


TextEncoderConfig = Annotated[TextTransformerConfig | SentenceTransformersConfig, Field(discriminator="name")]

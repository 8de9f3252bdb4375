"""Training of encoder and head together: fine-tuning, and the same from random weights. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.evaluation.protocol.base import HeadConfig
from audiossl.recipe.base import Config, Count, NonNegative, Positive


class ExampleFeatures(Config):
    """The examples themselves: the encoder is trained along.

    It learns from one random crop of each item per epoch, of the length that it was pretrained on, and an item's
    scores are the mean over crops from its start to its end.
    """

    unit: Literal["sound"]
    """Of whatever kind the examples are: the word is part of the hash of every score."""
    apart: Annotated[float, Field(gt=0, le=1)]
    """The crops that are scored start at most this share of a crop apart."""


class EndToEndConfig(HeadConfig):
    """A linear layer on the embedding, trained together with the encoder; starts as torch makes it."""

    goes_with = frozenset((("adamw", "last_epoch"),))
    takes = frozenset(("sound",))
    name: Literal["end_to_end"] = "end_to_end"
    encoder: Literal["pretrained", "random"]
    """Where the encoder starts: as it is, or its architecture with weights drawn from the seed."""


class AdamWConfig(Config):
    """AdamW (Loshchilov and Hutter 2019), betas 0.9 and 0.999; linear warm-up, then half a cosine down to 0.

    On the cross-entropy of one label per item; of several labels on the mean over classes of the binary one.
    """

    name: Literal["adamw"] = "adamw"
    head_lr: Positive
    encoder_lr: NonNegative
    weight_decay: NonNegative
    """Of weights; biases and norms do not decay."""
    warmup: Annotated[float, Field(ge=0, le=1)]
    """Share of all steps."""
    batch_size: Count
    epochs: Count
    min_steps: Count
    """Small data sets are passed over more often, until there are so many steps."""

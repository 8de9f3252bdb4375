"""How the weights move: optimiser, schedule, batches, precision, checkpoints, monitors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from audiossl.recipe.base import Auto, Config, Count, NonNegative, Positive, Probability


class SgdConfig(Config):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"
    lr: Positive | Auto = "auto"
    """`auto`: 0.03 * batch / 128."""
    momentum: Probability = 0.9
    nesterov: bool = False
    weight_decay: NonNegative = 1e-4
    decay_all: bool = False
    """Apply weight decay to biases and norms too, as Fonseca et al. do."""


class AdamWConfig(Config):
    """AdamW (Loshchilov and Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    lr: Positive | Auto = "auto"
    """`auto`: 1e-3 * sqrt(batch / 128)."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    weight_decay: NonNegative = 0.01
    decay_all: bool = False


class LarsConfig(Config):
    """LARS (You et al. 2017): SGD whose step per layer is scaled by |weights| / |gradient|."""

    name: Literal["lars"] = "lars"
    lr: Positive | Auto = "auto"
    """`auto`: 0.3 * batch / 256."""
    momentum: Probability = 0.9
    weight_decay: NonNegative = 1e-6
    trust: Positive = 0.001
    decay_all: bool = False


OptimiserConfig = Annotated[SgdConfig | AdamWConfig | LarsConfig, Field(discriminator="name")]


class CosineConfig(Config):
    """Linear warm-up, then half a cosine down to `final` times the learning rate."""

    name: Literal["cosine"] = "cosine"
    warmup: Probability | Auto = "auto"
    """Share of all steps. `auto`: 5 %, but at least 10 steps and at most 20 %."""
    final: Probability = 0.0


class MultistepConfig(Config):
    """Linear warm-up, then times `gamma` at each milestone."""

    name: Literal["multistep"] = "multistep"
    milestones: list[Count] = Field(default=[325, 425])
    """Epochs."""
    gamma: Positive = 0.1
    warmup: Probability | Auto = 0.0
    """Share of all steps; `auto` as in `cosine`."""


class ConstantConfig(Config):
    """Linear warm-up, then a constant learning rate."""

    name: Literal["constant"] = "constant"
    warmup: Probability | Auto = 0.0
    """Share of all steps; `auto` as in `cosine`."""


ScheduleConfig = Annotated[CosineConfig | MultistepConfig | ConstantConfig, Field(discriminator="name")]


class MonitorConfig(Config):
    """What is watched during training; none of it changes the weights."""

    every_epochs: Positive = 1.0
    """How often the probe and the collapse monitors run."""
    items: Count = 1000
    """At most this many clips are embedded each time."""
    k: Count = 10
    """Neighbours of the online kNN probe, which runs when the items have labels."""
    min_std: Positive = 0.3
    """A mean deviation of the normalised embedding or projection below `min_std / sqrt(dim)` is low."""
    min_rank: Positive = 8.0
    """An effective rank (RankMe) of the embedding or projection below this is low."""
    min_share: Probability = 0.5
    """A low value counts as collapse when it is below this share of the largest so far, the untrained network's too."""


Precision = Annotated[Literal["32", "bf16", "auto"], BeforeValidator(lambda told: "32" if told == 32 else told)]
"""YAML reads an unquoted 32 as a number; it means the same."""


class TrainingConfig(Config):
    """Batches, length and book-keeping of a run."""

    batch_size: Annotated[int, Field(ge=2)] = 128
    epochs: Positive | None = 100
    """How long to train where `steps` is not given. One epoch is one crop (pair) of every clip."""
    steps: Count | None = None
    """Optimiser steps of the whole run. Where it is given, it decides, and `epochs` is ignored."""
    accumulate: Count = 1
    """Micro-batches per optimiser step."""
    clip_norm: Positive | None = None
    """Largest gradient norm."""
    precision: Precision = "auto"
    """`auto`: bf16 where the device multiplies it in hardware (AMX, AVX-512 BF16, CUDA >= 8.0), otherwise 32."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Count = 1
    threads: Count | Auto = "auto"
    """CPU threads of the tensor library. `auto`: all cores."""
    checkpoint_every_s: Positive = 120.0
    """Seconds between checkpoints."""
    checkpoint_every_steps: Count | None = None
    """Checkpoint every so many steps instead."""

    @model_validator(mode="after")
    def _some_length(self) -> TrainingConfig:
        if self.epochs is None and self.steps is None:
            raise ValueError("say how long to train: write epochs or steps")
        return self

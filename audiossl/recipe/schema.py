"""The recipe: everything a pre-training run is, in one frozen object."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audiossl.recipe.base import Auto, Config, Count, Positive
from audiossl.recipe.data import DataConfig
from audiossl.recipe.encoders import AudioNtt2020Config, EncoderConfig
from audiossl.recipe.frontends import FrontEndConfig, LogMelConfig
from audiossl.recipe.methods import MethodConfig, SimClrConfig
from audiossl.recipe.training import (
    AdamWConfig,
    CosineConfig,
    MonitorConfig,
    OptimiserConfig,
    ScheduleConfig,
    TrainingConfig,
)
from audiossl.recipe.views import ViewsConfig


class EmbeddingConfig(Config):
    """How a sound of any length becomes embeddings; stored in the bundle and overridden by `audiossl embed`."""

    window_s: Positive | Auto = "auto"
    """Seconds per window. `auto`: the whole file up to `max_window_s`."""
    hop_s: Positive | Auto = "auto"
    """Seconds between windows. `auto`: the window's length."""
    max_window_s: Positive = 30.0
    """With window_s `auto`, the longest file that is taken whole, in seconds."""
    long_window_s: Positive = 10.0
    """With window_s `auto`, the window in seconds for files longer than `max_window_s`."""


class Recipe(Config):
    """A pre-training run. Every field has a default, so a recipe states only what differs."""

    name: str = "unnamed"
    description: str = ""
    modality: Literal["audio"] = "audio"
    seed: int = Field(default=0, ge=0, lt=2**31)
    data: DataConfig = DataConfig()
    frontend: FrontEndConfig = LogMelConfig()
    views: ViewsConfig = ViewsConfig()
    encoder: EncoderConfig = AudioNtt2020Config()
    method: MethodConfig = SimClrConfig()
    optimiser: OptimiserConfig = AdamWConfig()
    schedule: ScheduleConfig = CosineConfig()
    training: TrainingConfig = TrainingConfig()
    monitors: MonitorConfig = MonitorConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()


__all__ = ["Count", "EmbeddingConfig", "Recipe"]

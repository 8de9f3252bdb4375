"""The recipe: everything a pre-training run is, in one frozen object."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from audiossl.recipe.base import Auto, Config, Count, Positive
from audiossl.recipe.data import DataConfig, ImageDataConfig
from audiossl.recipe.encoders import AudioNtt2020Config, EncoderConfig
from audiossl.recipe.frontends import FrontEndConfig, LogMelConfig
from audiossl.recipe.image_encoders import ImageEncoderConfig, ImageResNet18Config
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.image_views import ImageViewsConfig
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


class ImageEmbeddingConfig(Config):
    """A picture is one embedding: there is nothing to choose."""


class Recipe(Config):
    """A pre-training run on sound. Every field has a default, so a recipe states only what differs."""

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


class ImageRecipe(Recipe):
    """A pre-training run on pictures: the same method, optimiser, schedule, training and monitors."""

    modality: Literal["image"] = "image"  # type: ignore[assignment]
    data: ImageDataConfig = ImageDataConfig()  # type: ignore[assignment]
    frontend: PixelsConfig = PixelsConfig()  # type: ignore[assignment]
    views: ImageViewsConfig = ImageViewsConfig()  # type: ignore[assignment]
    encoder: ImageEncoderConfig = ImageResNet18Config()  # type: ignore[assignment]
    embedding: ImageEmbeddingConfig = ImageEmbeddingConfig()  # type: ignore[assignment]


RECIPES: dict[str, type[Recipe]] = {"audio": Recipe, "image": ImageRecipe}
"""The recipe of every modality."""


def _kind(value: Any) -> str:
    return str(value.get("modality", "audio") if isinstance(value, dict) else value.modality)


AnyRecipe = Annotated[Annotated[Recipe, Tag("audio")] | Annotated[ImageRecipe, Tag("image")], Discriminator(_kind)]
"""A recipe of whichever kind its `modality` says."""


__all__ = ["RECIPES", "AnyRecipe", "Count", "EmbeddingConfig", "ImageEmbeddingConfig", "ImageRecipe", "Recipe"]

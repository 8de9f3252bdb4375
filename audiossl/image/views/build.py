"""From the recipe's chain to modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from audiossl.errors import UsageError
from audiossl.image.views.blur import Blur
from audiossl.image.views.colour import ColourJitter, Greyscale, Solarise
from audiossl.image.views.crop import ResizedCrop
from audiossl.image.views.geometry import HorizontalFlip, QuarterTurns, VerticalFlip
from audiossl.recipe import image_views as image
from audiossl.recipe.image_views import ImageViewsConfig
from audiossl.recipe.view_base import NormaliseConfig
from audiossl.views.base import Augmentation, Chain, Draw, Views
from audiossl.views.normalise import Normalise

IMAGE: dict[type, Callable[[Any], Augmentation]] = {
    image.ResizedCropConfig: ResizedCrop,
    image.HorizontalFlipConfig: HorizontalFlip,
    image.VerticalFlipConfig: VerticalFlip,
    image.QuarterTurnsConfig: QuarterTurns,
    image.ColourJitterConfig: ColourJitter,
    image.GreyscaleConfig: Greyscale,
    image.BlurConfig: Blur,
    image.SolariseConfig: Solarise,
}


class Statistics(Protocol):
    """Mean and deviation of the training data's pictures."""

    @property
    def mean(self) -> Sequence[float]:
        """Of each channel, within 0 .. 1."""

    @property
    def std(self) -> Sequence[float]:
        """Of each channel, above 0."""


class ImageViews(Views):
    """The chain of a recipe, `image(x_BCHW, draw)`, over what the front end gives.

    Args:
        image: the chain.
        short_scale: share of the area that a small view keeps.
    """

    def __init__(self, image: Chain, short_scale: tuple[float, float]) -> None:
        super().__init__()
        self.image, self.short_scale = image, short_scale

    def before_frontend(self, x_BS: Tensor, draw: Draw) -> Tensor:
        """The stored pixels as they are, (B, S) uint8."""
        return x_BS

    def after_frontend(self, x_BCFT: Tensor, draw: Draw, short: int = 0, share: float = 1.0) -> list[Tensor]:
        """The pictures augmented; small views are cut from the pictures themselves, by a chain of their own."""
        n, wholes = len(x_BCFT) // draw.views, draw.views - short
        views = list(torch.split(self.image(x_BCFT[: wholes * n], replace(draw, views=wholes)), n))
        if not short:
            return views
        small = self.small(max(1, round(share * views[0].shape[-1])))
        return [*views, *torch.split(small(x_BCFT[wholes * n :], replace(draw, views=short)), n)]

    def small(self, side: int) -> Chain:
        """The same chain with crops of `short_scale` of the area, `side` pixels wide (SwAV, Caron et al. 2020)."""
        views = [view for view in self.image.augmentations if isinstance(view, Augmentation)]
        return Chain([view.like(self.short_scale, side) if isinstance(view, ResizedCrop) else view for view in views])


def build_views(config: ImageViewsConfig, *, statistics: Statistics | None) -> ImageViews:
    """The modules of a recipe's views.

    Args:
        config: the recipe's section `views`.
        statistics: mean and deviation of the training data, for `normalise`.

    Raises:
        UsageError: `statistics` are absent.
    """
    return ImageViews(Chain([_view(view, statistics) for view in config.image]), config.short_scale)


def _view(config: image.ImageView, statistics: Statistics | None) -> Augmentation:
    if isinstance(config, NormaliseConfig):
        if statistics is None:
            raise UsageError("normalise needs the mean and deviation of the training data; measure them first")
        return Normalise(statistics.mean, statistics.std)
    return IMAGE[type(config)](config)

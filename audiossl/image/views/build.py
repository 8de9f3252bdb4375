"""From the recipe's chain to modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """The chain of a recipe, `image(x_BCHW, draw)`, over what the front end gives."""

    def __init__(self, image: Chain) -> None:
        super().__init__()
        self.image = image

    def before_frontend(self, x_BS: Tensor, draw: Draw) -> Tensor:
        """The stored pixels as they are, (B, S) uint8."""
        return x_BS

    def after_frontend(self, x_BCFT: Tensor, draw: Draw) -> Tensor:
        """The pictures augmented."""
        augmented: Tensor = self.image(x_BCFT, draw)
        return augmented

    def short(self, x_BCFT: Tensor, share: float, draw: Draw) -> Tensor:
        """A square of `share` of the side of every view, each at a place of its own: SwAV's small crops.

        They are cut out of views, which are crops already: with a chain's `scale` they show `share ** 2 * scale` of a
        picture, at the resolution of the view.
        """
        side = max(1, round(share * min(x_BCFT.shape[-2:])))
        place = torch.arange(side, device=x_BCFT.device)
        row_BH, column_BW = (
            draw.integers(0, length - side, len(x_BCFT))[:, None] + place for length in x_BCFT.shape[-2:]
        )
        rows = x_BCFT.take_along_dim(row_BH[:, None, :, None], dim=-2)
        return rows.take_along_dim(column_BW[:, None, None], dim=-1)


def build_views(config: ImageViewsConfig, *, statistics: Statistics | None) -> ImageViews:
    """The modules of a recipe's views.

    Args:
        config: the recipe's section `views`.
        statistics: mean and deviation of the training data, for `normalise`.

    Raises:
        UsageError: `statistics` are absent.
    """
    return ImageViews(Chain([_view(view, statistics) for view in config.image]))


def _view(config: image.ImageView, statistics: Statistics | None) -> Augmentation:
    if isinstance(config, NormaliseConfig):
        if statistics is None:
            raise UsageError("normalise needs the mean and deviation of the training data; measure them first")
        return Normalise(statistics.mean, statistics.std)
    return IMAGE[type(config)](config)

"""Views of pictures: augmentations after the front end, in the recipe's own order. Defaults are SimCLR's for CIFAR-10.

Figures of the papers: SimCLR (Chen et al. 2020), its appendix A and B.9; BYOL (Grill et al. 2020), its table 6.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from audiossl.recipe.base import Config, Count, NonNegative, Probability
from audiossl.recipe.image_frontend import Interpolation
from audiossl.recipe.view_base import Chance, NormaliseConfig, PositiveRange, Share, ShareRange, ViewConfig


class ResizedCropConfig(Config):
    """Cut a random box out of the picture and resize it, with antialias where it gets smaller."""

    p: ClassVar[float] = 1.0
    name: Literal["random_resized_crop"] = "random_resized_crop"
    scale: ShareRange = (0.08, 1.0)
    """Share of the area that is kept."""
    ratio: PositiveRange = (0.75, 1.3333333333333333)
    """Width over height, drawn log-uniformly."""
    interpolation: Interpolation = "bilinear"
    side: Count | None = None
    """Pixels of the view; without it, as many as the picture has."""


class HorizontalFlipConfig(ViewConfig):
    """Exchange left and right."""

    name: Literal["horizontal_flip"] = "horizontal_flip"
    p: Chance = 0.5


class VerticalFlipConfig(ViewConfig):
    """Exchange top and bottom: for pictures without an above, such as those from a satellite or a microscope."""

    name: Literal["vertical_flip"] = "vertical_flip"
    p: Chance = 0.5


class QuarterTurnsConfig(ViewConfig):
    """Turn by none to three quarters, evenly: for pictures without an above."""

    name: Literal["quarter_turns"] = "quarter_turns"


class ColourJitterConfig(ViewConfig):
    """Change brightness, contrast, saturation and hue, one after another in an order drawn for every picture.

    The defaults are strength 0.5 of SimCLR, whose strength s stands for 0.8 s, 0.8 s, 0.8 s and 0.2 s.
    """

    name: Literal["colour_jitter"] = "colour_jitter"
    p: Chance = 0.8
    brightness: NonNegative = 0.4
    """Factors of the first three are drawn from U(1 - b, 1 + b), 0 at the least."""
    contrast: NonNegative = 0.4
    saturation: NonNegative = 0.4
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Turns of the colour circle are drawn from U(-hue, hue)."""


class GreyscaleConfig(ViewConfig):
    """Make all three channels grey."""

    name: Literal["greyscale"] = "greyscale"
    p: Chance = 0.2


class BlurConfig(ViewConfig):
    """Gaussian blur; SimCLR leaves it out for CIFAR-10."""

    name: Literal["blur"] = "blur"
    p: Chance = 0.5
    kernel: Share = 0.1
    """Length of the kernel in sides of the picture, made odd; at least 3 pixels."""
    sigma: PositiveRange = (0.1, 2.0)
    """Deviation in pixels, drawn evenly."""


class SolariseConfig(ViewConfig):
    """Turn what is bright into its negative (BYOL)."""

    name: Literal["solarise"] = "solarise"
    p: Chance = 0.2
    threshold: Probability = 0.5
    """Brightness from which on it is turned, full scale 1."""


ImageView = Annotated[
    NormaliseConfig
    | ResizedCropConfig
    | HorizontalFlipConfig
    | VerticalFlipConfig
    | QuarterTurnsConfig
    | ColourJitterConfig
    | GreyscaleConfig
    | BlurConfig
    | SolariseConfig,
    Field(discriminator="name"),
]


class ImageViewsConfig(Config):
    """One chain over the pictures that the front end gives. The default is SimCLR's for CIFAR-10."""

    image: list[ImageView] = Field(
        default=[
            ResizedCropConfig(),
            HorizontalFlipConfig(),
            ColourJitterConfig(),
            GreyscaleConfig(),
            NormaliseConfig(),
        ]
    )
    short_scale: ShareRange = (0.05, 0.14)
    """Share of the area in the small crops of methods that take such (SwAV), which go through the same chain else."""

    @property
    def chain(self) -> list[ImageView]:
        """All views in the order in which a picture meets them."""
        return self.image

    @field_validator("image")
    @classmethod
    def _one_normalise(cls, chain: list[ImageView]) -> list[ImageView]:
        count = sum(isinstance(view, NormaliseConfig) for view in chain)
        if count != 1:
            raise ValueError(f"the chain has {count} views named normalise; write `- name: normalise` exactly once")
        if any(not isinstance(view, GEOMETRIC) for view in chain[chain.index(NormaliseConfig()) + 1 :]):
            raise ValueError("views of colour come after normalise, where values are no colours; write normalise last")
        return chain


GEOMETRIC = (ResizedCropConfig, HorizontalFlipConfig, VerticalFlipConfig, QuarterTurnsConfig, BlurConfig)
"""Views that do not ask for values within 0 .. 1."""

SIMCLR_CIFAR10 = ImageViewsConfig()
"""SimCLR on CIFAR-10: colour strength 0.5, no blur; with pictures of 32 pixels."""

SIMCLR_IMAGENET = ImageViewsConfig(
    image=[
        ResizedCropConfig(interpolation="bicubic"),
        HorizontalFlipConfig(),
        ColourJitterConfig(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2),
        GreyscaleConfig(),
        BlurConfig(),
        NormaliseConfig(),
    ]
)
"""SimCLR on ImageNet: colour strength 1, blur of a tenth of the side at p 0.5; with pictures of 224 pixels."""

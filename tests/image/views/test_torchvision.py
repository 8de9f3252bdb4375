"""Every view equals torchvision's functional form with the same parameters, picture by picture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from audiossl.image.views.blur import Blur
from audiossl.image.views.colour import ColourJitter, Greyscale, Solarise
from audiossl.image.views.crop import ResizedCrop
from audiossl.image.views.geometry import HorizontalFlip, QuarterTurns, VerticalFlip
from audiossl.recipe.image_views import (
    BlurConfig,
    ColourJitterConfig,
    GreyscaleConfig,
    HorizontalFlipConfig,
    QuarterTurnsConfig,
    ResizedCropConfig,
    SolariseConfig,
    VerticalFlipConfig,
)
from audiossl.views.normalise import Normalise
from tests.draws import draws

SIZES = [(32, 32), (17, 29), (96, 96), (1, 1)]


def pictures(size: tuple[int, int], count: int = 24) -> Tensor:
    """Noise, and among it what is hard for hue: greys, pure colours, ties of two channels, black and white."""
    x = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(5))
    x[1] = x[1, :1]
    x[2] = x[2].round()
    x[3, 1] = x[3, 0]
    x[4, 2] = x[4, 1]
    x[5], x[6] = 0, 1
    return x


def close(found: Tensor, expected: list[Tensor]) -> None:
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [None, 12, 40])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resized_crop(size: tuple[int, int], side: int | None, interpolation: str) -> None:
    config = ResizedCropConfig.model_validate(
        {"scale": (0.05, 1), "ratio": (0.4, 2.5), "side": side, "interpolation": interpolation}
    )
    view, x = ResizedCrop(config), pictures(size)
    box = view.draw(x, draws())["box"]
    target, mode = [side, side] if side else list(size), InterpolationMode(interpolation)
    expected = [
        tv.resized_crop(picture, row, column, rows, columns, target, mode, antialias=True).clamp(0, 1)
        for picture, (row, rows, column, columns) in zip(x, box.tolist(), strict=True)
    ]
    close(view.apply(x, box=box), expected)


CHANGES = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


@pytest.mark.parametrize("size", SIZES)
def test_colour_jitter_with_its_order(size: tuple[int, int]) -> None:
    view = ColourJitter(ColourJitterConfig(brightness=0.8, contrast=1.5, saturation=1.2, hue=0.5))
    x = pictures(size, count=60)
    drawn = view.draw(x, draws())
    assert len({tuple(order) for order in drawn["order"].tolist()}) > 20
    expected = []
    for picture, order, amount in zip(x, drawn["order"].tolist(), drawn["amount"].tolist(), strict=True):
        for change in order:
            picture = CHANGES[change](picture, amount[change])
        expected.append(picture)
    close(view.apply(x, **drawn), expected)


@pytest.mark.parametrize("size", SIZES)
def test_greyscale_and_solarise(size: tuple[int, int]) -> None:
    x = pictures(size)
    close(Greyscale(GreyscaleConfig()).apply(x), [tv.rgb_to_grayscale(picture, 3) for picture in x])
    threshold = torch.linspace(0, 1, len(x))
    expected = [tv.solarize(picture, limit) for picture, limit in zip(x, threshold.tolist(), strict=True)]
    close(Solarise(SolariseConfig()).apply(x, threshold=threshold), expected)


@pytest.mark.parametrize(("size", "kernel", "length"), [((32, 32), 0.1, 3), ((17, 29), 0.5, 9), ((96, 96), 0.1, 9)])
def test_blur(size: tuple[int, int], kernel: float, length: int) -> None:
    view, x = Blur(BlurConfig(kernel=kernel)), pictures(size)
    sigma = view.draw(x, draws())["sigma"]
    expected = [
        tv.gaussian_blur(picture, [length, length], [value]) for picture, value in zip(x, sigma.tolist(), strict=True)
    ]
    close(view.apply(x, sigma=sigma), expected)


def test_the_blur_of_imagenet_has_the_kernel_of_every_implementation() -> None:
    view = Blur(BlurConfig())
    assert [2 * view.radius(side) + 1 for side in (8, 32, 96, 224)] == [3, 3, 9, 23]


def test_flips_and_normalisation() -> None:
    x, mean, std = pictures((9, 14)), (0.2, 0.5, 0.6), (0.3, 0.1, 0.25)
    close(HorizontalFlip(HorizontalFlipConfig()).apply(x), [tv.horizontal_flip(picture) for picture in x])
    close(VerticalFlip(VerticalFlipConfig()).apply(x), [tv.vertical_flip(picture) for picture in x])
    close(Normalise(mean, std).apply(x), [tv.normalize(picture, list(mean), list(std)) for picture in x])


def test_quarter_turns_are_against_the_clock() -> None:
    x, turns = pictures((7, 7), count=8), torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    expected = [tv.rotate(picture, 90.0 * turn) for picture, turn in zip(x, turns.tolist(), strict=True)]
    close(QuarterTurns(QuarterTurnsConfig()).apply(x, turns=turns), expected)

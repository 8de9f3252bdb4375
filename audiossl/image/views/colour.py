"""Changes of colour: jitter in an order of its own for every picture, greyscale, solarisation.

Values are within 0 .. 1 before and after.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.image_views import ColourJitterConfig, GreyscaleConfig, SolariseConfig
from audiossl.views.base import Draw, PerExample, per_example

LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R 601-2, as torchvision rounds them)."""


class ColourJitter(PerExample):
    """Brightness, contrast, saturation and hue changed one after another, in a drawn order."""

    def __init__(self, config: ColourJitterConfig) -> None:
        super().__init__(config.p)
        self.hue = config.hue
        self.factors = [
            (max(0.0, 1 - strength), 1 + strength)
            for strength in (config.brightness, config.contrast, config.saturation)
        ]

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`order` (B, 4) int64 and `amount` (B, 4).

        `order[n]` is a permutation: 0 is brightness, 1 contrast, 2 saturation, 3 hue, and the first is done first.
        `amount[n, k]` belongs to change k wherever it stands: three factors, and a share of the colour circle.
        """
        factors = [draw.uniform(low, high, x.shape[0]) for low, high in self.factors]
        hue = draw.uniform(-self.hue, self.hue, x.shape[0])
        return {
            "order": draw.uniform(0, 1, x.shape[0], len(CHANGES)).argsort(1),
            "amount": torch.stack((*factors, hue), dim=1),
        }

    def apply(self, x: Tensor, order: Tensor, amount: Tensor) -> Tensor:  # type: ignore[override]
        """Each picture through its four changes."""
        x = x.clone()
        for place in order.unbind(1):
            for number, change in enumerate(CHANGES):
                # Taking the pictures whose turn it is measured 1.4 times faster than changing all and choosing.
                (index,) = torch.where(place == number)
                x.index_copy_(0, index, change(x.index_select(0, index), amount[index, number]))
        return x


class Greyscale(PerExample):
    """All three channels grey."""

    def __init__(self, config: GreyscaleConfig) -> None:
        super().__init__(config.p)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def apply(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """The weighted sum of the channels in each of them."""
        return grey(x).repeat(1, x.shape[1], 1, 1)


class Solarise(PerExample):
    """What is bright turned into its negative (BYOL, Grill et al. 2020)."""

    def __init__(self, config: SolariseConfig) -> None:
        super().__init__(config.p)
        self.threshold = config.threshold

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`threshold` (B,), the config's for every picture."""
        return {"threshold": x.new_full((x.shape[0],), self.threshold)}

    def apply(self, x: Tensor, threshold: Tensor) -> Tensor:  # type: ignore[override]
        """`1 - x` from the threshold on."""
        return torch.where(x >= per_example(threshold, x), 1 - x, x)


def grey(x_BCHW: Tensor) -> Tensor:
    """The weighted sum of the channels, (B, 1, H, W)."""
    red, green, blue = x_BCHW.unbind(1)
    return red.mul(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])[:, None]


def brightness(x: Tensor, factor_B: Tensor) -> Tensor:
    """`factor * x`."""
    return (x * per_example(factor_B, x)).clamp_(0, 1)


def contrast(x: Tensor, factor_B: Tensor) -> Tensor:
    """`x` towards its mean grey (factor below 1) or away from it."""
    return _blend(x, grey(x).mean((1, 2, 3), keepdim=True), factor_B)


def saturation(x: Tensor, factor_B: Tensor) -> Tensor:
    """Every pixel towards its own grey (factor below 1) or away from it."""
    return _blend(x, grey(x), factor_B)


def hue(x: Tensor, shift_B: Tensor) -> Tensor:
    """Every pixel turned around the colour circle by `shift` of it, at the same largest and least channel (HSV)."""
    red, green, blue = x.unbind(1)
    value = x.amax(1)
    chroma = value - x.amin(1)
    divisor = torch.where(chroma == 0, 1, chroma)
    sixth = torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    sixth = torch.where(value == red, (green - blue) / divisor, sixth) + 6 * shift_B[:, None, None]
    turned = torch.empty_like(x)
    for channel, start in enumerate((5, 3, 1)):
        distance = (sixth + start).remainder_(6)
        share = torch.minimum(distance, 4 - distance).clamp_(0, 1)
        torch.sub(value, share.mul_(chroma), out=turned[:, channel])
    return turned


def _blend(x: Tensor, other: Tensor, factor_B: Tensor) -> Tensor:
    factor = per_example(factor_B, x)
    return (x * factor).add_((1 - factor) * other).clamp_(0, 1)


CHANGES = (brightness, contrast, saturation, hue)

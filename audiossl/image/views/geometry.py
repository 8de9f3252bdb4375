"""Flips and quarter turns: every pixel is kept."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.errors import RecipeError
from audiossl.recipe.image_views import HorizontalFlipConfig, QuarterTurnsConfig, VerticalFlipConfig
from audiossl.views.base import Draw, PerExample, per_example
from audiossl.views.flip import Flip


class HorizontalFlip(Flip):
    """Left and right exchanged."""

    axis = -1

    def __init__(self, config: HorizontalFlipConfig) -> None:
        super().__init__(config.p)


class VerticalFlip(Flip):
    """Top and bottom exchanged."""

    axis = -2

    def __init__(self, config: VerticalFlipConfig) -> None:
        super().__init__(config.p)


class QuarterTurns(PerExample):
    """None to three quarter turns against the clock, evenly."""

    def __init__(self, config: QuarterTurnsConfig) -> None:
        super().__init__(config.p)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`turns` (B,) int64."""
        return {"turns": draw.integers(0, 3, x.shape[0])}

    def apply(self, x: Tensor, turns: Tensor) -> Tensor:  # type: ignore[override]
        """Each picture turned (raises `RecipeError` unless it is square)."""
        if x.shape[-2] != x.shape[-1]:
            raise RecipeError(
                f"views.image: quarter_turns turns square pictures only, not {x.shape[-2]} x {x.shape[-1]}; "
                "write horizontal_flip or vertical_flip"
            )
        turns = per_example(turns, x)
        turned = torch.where(turns % 2 == 1, x.mT, x)
        turned = torch.where((turns == 1) | (turns == 2), turned.flip(-2), turned)
        return torch.where(turns >= 2, turned.flip(-1), turned)

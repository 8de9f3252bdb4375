"""From a picture of any size to a square of one size, and in batches to what views and encoders take.

Shapes: B pictures, S = 3 * side * side stored values, H and W rows and columns.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audiossl.errors import DataError
from audiossl.recipe.image_frontend import PixelsConfig

Stored = NDArray[np.uint8]

_FILTERS = {"bilinear": PIL.Image.Resampling.BILINEAR, "bicubic": PIL.Image.Resampling.BICUBIC}


def build_frontend(config: PixelsConfig) -> Pixels:
    """The front end that `config` describes."""
    return Pixels(config)


class Pixels(nn.Module):
    """Stored pixels (B, S) uint8 to pictures (B, 3, side, side) float32 within 0 .. 1, without gradients."""

    def __init__(self, config: PixelsConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def samples(self) -> int:
        """S."""
        return 3 * self.config.side**2

    def blank(self) -> Tensor:
        """A black picture (1, S), prepared."""
        return torch.zeros(1, self.samples, dtype=torch.uint8)

    def prepare(self, pixels: Stored) -> Stored:
        """The whole-picture step (3, H, W) -> (S,): the middle square, resized to `side` with antialias.

        torchvision's `center_crop` to the shorter side and then `resize`. A picture of this side is as it was; a
        smaller one is enlarged.

        Raises:
            DataError: not (3, H, W) uint8 with H and W >= 1.
        """
        if pixels.ndim != 3 or pixels.shape[0] != 3 or not pixels.size or pixels.dtype != np.uint8:
            raise DataError(
                f"a picture is (3, H, W) uint8, not {pixels.dtype} of shape {pixels.shape}; decode gives it"
            )
        height, width = pixels.shape[1:]
        shorter, side = min(height, width), self.config.side
        top, left = round((height - shorter) / 2), round((width - shorter) / 2)
        square = pixels[:, top : top + shorter, left : left + shorter]
        if shorter != side:
            picture = PIL.Image.fromarray(np.ascontiguousarray(square.transpose(1, 2, 0)))
            resized = picture.resize((side, side), _FILTERS[self.config.interpolation])
            square = np.asarray(resized).transpose(2, 0, 1)
        return np.ascontiguousarray(square).reshape(-1)

    @torch.no_grad()
    def forward(self, x_BS: Tensor, centre: bool = True) -> Tensor:
        """Pictures (B, 3, side, side); `centre` changes nothing, as a picture needs no context.

        Raises:
            DataError: the rows are not of S values.
        """
        if x_BS.shape[1] != self.samples:
            side = self.config.side
            raise DataError(f"a picture of side {side} is stored as {self.samples} values, not {x_BS.shape[1]}")
        return x_BS.float().div_(255).view(-1, 3, self.config.side, self.config.side)

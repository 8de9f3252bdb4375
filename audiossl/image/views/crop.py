"""Random resized crops: a box of the picture at the size of the view, without aliasing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.recipe.image_frontend import Interpolation
from audiossl.recipe.image_views import ResizedCropConfig
from audiossl.views.base import Draw, PerExample
from audiossl.views.boxes import draw_boxes


class ResizedCrop(PerExample):
    """A box of random area and aspect, resized to the whole picture or to `side` (Szegedy et al. 2015)."""

    def __init__(self, config: ResizedCropConfig) -> None:
        super().__init__()
        self._config = config
        self.scale, self.side, self.interpolation = config.scale, config.side, config.interpolation
        narrow, wide = config.ratio  # width over height, as everyone writes it; boxes count rows first
        self.ratio = 1 / wide, 1 / narrow

    def like(self, scale: tuple[float, float], side: int) -> ResizedCrop:
        """The same crop of another share of the area, at another side."""
        return ResizedCrop(self._config.model_copy(update={"scale": scale, "side": side}))

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`box` (B, 4) int64: first row, rows, first column, columns."""
        return {"box": draw_boxes(draw, x.shape[0], (x.shape[-2], x.shape[-1]), self.scale, self.ratio)}

    def apply(self, x: Tensor, box: Tensor) -> Tensor:  # type: ignore[override]
        """Each picture's box resized as torchvision's `resized_crop` with antialias; what bicubic overshoots is cut."""
        row, rows, column, columns = box.unbind(1)
        height, width = (self.side, self.side) if self.side else x.shape[-2:]
        over_rows = resize_matrix(row, rows, x.shape[-2], height, self.interpolation)
        over_columns = resize_matrix(column, columns, x.shape[-1], width, self.interpolation)
        narrowed = torch.bmm(x.flatten(1, 2), over_columns.mT).view(*x.shape[:3], width)
        resized = torch.matmul(over_rows[:, None], narrowed)
        return resized.clamp_(0, 1) if self.interpolation == "bicubic" else resized


def resize_matrix(first_B: Tensor, length_B: Tensor, inputs: int, outputs: int, interpolation: Interpolation) -> Tensor:
    """The matrices that resize the stretch [first, first + length) of `inputs` values to `outputs` values.

    The kernel is as wide as two (bilinear) or four (bicubic) values of the coarser of both grids, so that a smaller
    picture averages all it stands for; beyond the stretch nothing is seen.

    Returns:
        (B, outputs, inputs) float32; every row sums to 1.
    """
    device = first_B.device
    step = (length_B / outputs)[:, None, None]
    place = torch.arange(inputs, device=device) - first_B[:, None]
    centre = (torch.arange(outputs, device=device) + 0.5)[:, None] * step
    distance = ((place + 0.5)[:, None] - centre).div_(step.clamp_min(1)).abs_()
    weight = triangle(distance) if interpolation == "bilinear" else cubic(distance)
    weight *= ((place >= 0) & (place < length_B[:, None]))[:, None]
    return weight / weight.sum(-1, keepdim=True)


def triangle(distance: Tensor) -> Tensor:
    """The kernel of linear interpolation."""
    return (1 - distance).clamp_min_(0)


def cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -0.5, the one of Pillow and of antialiased resizing in torch."""
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, far) * (distance < 2)

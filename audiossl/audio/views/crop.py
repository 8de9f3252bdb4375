"""Random resized crops: a box of the spectrogram, stretched to the full size."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from audiossl.audio.views.resampling import cubic_matrix, linear_bands, linear_frames
from audiossl.recipe.spectrogram_views import CanvasCropConfig, RandomResizedCropConfig
from audiossl.views.base import Augmentation, Draw
from audiossl.views.boxes import draw_boxes


class RandomResizedCrop(Augmentation):
    """A box of random area and aspect, resized bilinearly to the whole (torchvision's rule; Fonseca et al. 2021)."""

    def __init__(self, config: RandomResizedCropConfig) -> None:
        super().__init__(config.p)
        self.scale, self.ratio = config.scale, config.ratio

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`box` (B, 4) int64: first band, bands, first frame, frames."""
        return {"box": draw_boxes(draw, x.shape[0], (x.shape[-2], x.shape[-1]), self.scale, self.ratio)}

    def apply(self, x: Tensor, box: Tensor) -> Tensor:  # type: ignore[override]
        """Each example's box at the size of the whole, half-pixel centres (`align_corners=False`)."""
        band, bands, frame, frames = box.unbind(1)
        return linear_frames(
            linear_bands(x, half_pixel_positions(band, bands, x.shape[-2])),
            half_pixel_positions(frame, frames, x.shape[-1]),
        )


class CanvasCrop(Augmentation):
    """A box of a canvas longer than the spectrogram, zero around it, resized bicubically (BYOL-A, 2021)."""

    def __init__(self, config: CanvasCropConfig) -> None:
        super().__init__(config.p)
        self.canvas, self.ranges = config.canvas, (config.bands, config.frames)

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`box` (B, 4) int64: first band, bands, first frame of the canvas, frames."""
        box = []
        for size, room, (low, high) in zip(x.shape[-2:], self._room(x), self.ranges, strict=True):
            length = draw.uniform(low * size, high * size, x.shape[0]).long().clamp_(1, room)
            box += [draw.up_to(room - length), length]
        return {"box": torch.stack(box, dim=1)}

    def apply(self, x: Tensor, box: Tensor) -> Tensor:  # type: ignore[override]
        """Each example's box of the canvas at the size of `x`, corners on corners (`align_corners=True`)."""
        band, bands, frame, frames = box.unbind(1)
        size_F, size_T = x.shape[-2:]
        canvas = self._room(x)[1]
        over_bands = cubic_matrix(band, bands, size_F, size_F)
        # Rows of the matrix that meet the canvas's zeros need no computing.
        over_frames = cubic_matrix(frame, frames, canvas, size_T).narrow(1, (canvas - size_T) // 2, size_T)
        return torch.bmm(torch.bmm(over_bands.mT, x[:, 0]), over_frames)[:, None]

    def _room(self, x: Tensor) -> tuple[int, int]:
        """Bands and frames of the canvas."""
        return x.shape[-2], int(self.canvas * x.shape[-1])


def half_pixel_positions(first_B: Tensor, length_B: Tensor, size: int) -> Tensor:
    """Where `size` values evenly over the stretch [first, first + length) fall, kept inside it; (B, size)."""
    step = (length_B / size)[:, None]
    position = (torch.arange(size, device=first_B.device) + 0.5) * step - 0.5
    return torch.minimum(position.clamp_min_(0), length_B[:, None] - 1.0) + first_B[:, None]

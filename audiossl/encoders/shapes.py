"""What every encoder does about odd input shapes: too few bands are refused, too few frames are padded."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from audiossl.errors import RecipeError


def require_bands(encoder: str, bands: int, least: int, channels: int = 1) -> None:
    """Raise `RecipeError` unless a front end with this many bands, or pixels, leaves the encoder something to pool."""
    if bands < least:
        there, field = f"mel bands, not {bands}", "n_mels"
        if channels > 1:
            there, field = f"pixels a side, not {bands}", "side"
        raise RecipeError(f"encoder: {encoder} needs at least {least} {there}; write frontend.{field}: {least} or more")


def pad_frames(x_BCFT: Tensor, least: int) -> Tensor:
    """`x_BCFT` with frames of each example's smallest value appended until there are `least`."""
    missing = least - x_BCFT.shape[3]
    if missing <= 0:
        return x_BCFT
    floor_B = x_BCFT.amin(dim=(1, 2, 3), keepdim=True)
    return F.pad(x_BCFT - floor_B, (0, missing)) + floor_B

"""Known changes to a spectrogram, made so that nothing but the sound tells which one it was.

Shapes: N clips, C channels, F frequency bands, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.errors import RecipeError
from audiossl.recipe.methods.pretext import Transform

FLIPS: dict[Transform, tuple[int, ...]] = {"time_reversal": (3,), "frequency_flip": (2,), "both": (2, 3)}
"""The axes a transform turns round."""
POWERS: dict[Transform, tuple[int, int]] = {"faster": (0, 1), "slower": (0, -1), "higher": (-1, 1), "lower": (1, -1)}
"""Powers of the factor by which a transform steps through bands and frames."""
REACH = 3.0
"""Deviations at which the Gaussian is cut off."""


def turns(x_NCFT: Tensor) -> list[Tensor]:
    """Pictures turned by 0, 90, 180 and 270 degrees, anticlockwise."""
    return [torch.rot90(x_NCFT, quarter, (2, 3)) for quarter in range(4)]


def transformed(x_NCFT: Tensor, names: Sequence[Transform], factor: float, smoothing: float) -> list[Tensor]:
    """One copy of the spectrograms for each of `names`, all (N, C, F, T') with one T' <= T.

    Flips alone are exact and keep T. As soon as tempo or rate changes are among them, every class, `identity` too, is
    read through a Gaussian that is `smoothing` wide in its own bands and frames, takes only bands and frames that all
    classes have, and gets back the mean and deviation of its clip. So white noise looks alike in all classes. Bands
    that some class lacks hold the clip's mean in all of them.

    Raises:
        RecipeError: the spectrograms are too small for that.
    """
    steps = [tuple(factor**power for power in POWERS.get(name, (0, 0))) for name in names]
    band_steps, frame_steps = zip(*steps, strict=True)
    bands = shared_places(x_NCFT.shape[2], band_steps, smoothing, "bands")
    frames = shared_places(x_NCFT.shape[3], frame_steps, smoothing, "frames")
    copies = []
    for name, (band_step, frame_step) in zip(names, steps, strict=True):
        read_NCFT = x_NCFT
        if bands:
            read_NCFT = reader(x_NCFT, 2, bands, band_step, smoothing) @ read_NCFT
        if frames:
            read_NCFT = read_NCFT @ reader(x_NCFT, 3, frames, frame_step, smoothing).T
        if bands or frames:
            read_NCFT = levelled(read_NCFT, x_NCFT)
        copy_NCFT = read_NCFT.flip(FLIPS.get(name, ()))
        if bands:
            mean_N = x_NCFT.mean(dim=(1, 2, 3), keepdim=True)
            above = x_NCFT.shape[2] - bands.stop
            copy_NCFT = F.pad(copy_NCFT - mean_N, (0, 0, bands.start, above)) + mean_N
        copies.append(copy_NCFT)
    return copies


def shared_places(size: int, steps: Sequence[float], smoothing: float, what: str) -> range:
    """Places on an axis of `size` that can be read at every one of `steps` without touching an end.

    Empty when every step is 1 and nothing need be read anew (raises `RecipeError` when nothing can be).
    """
    if all(step == 1 for step in steps):
        return range(0)
    margin = REACH * smoothing
    places = range(math.ceil(margin), math.floor((size - 1) / max(steps) - margin) + 1)
    if len(places) < 2:
        raise RecipeError(
            f"method.transforms: {size} {what} are too few to change tempo or rate; write a longer data.crop_s, a "
            "smaller method.factor or method.smoothing, or only flips"
        )
    return places


def reader(x_NCFT: Tensor, axis: int, places: range, step: float, smoothing: float) -> Tensor:
    """Weights (places, size of the axis): a Gaussian of deviation step * smoothing around step * place."""
    old = torch.arange(x_NCFT.shape[axis], device=x_NCFT.device, dtype=x_NCFT.dtype)
    new = torch.arange(places.start, places.stop, device=x_NCFT.device, dtype=x_NCFT.dtype)
    away = (old / step - new[:, None]) / smoothing
    weights = torch.exp(-(away**2) / 2) * (away.abs() <= REACH)
    return weights / weights.sum(dim=1, keepdim=True)


def levelled(x_NCFT: Tensor, like_NCFT: Tensor) -> Tensor:
    """`x_NCFT` with each example's mean and deviation set to those of `like_NCFT`."""
    axes = (1, 2, 3)
    deviation_N = x_NCFT.std(dim=axes, keepdim=True, correction=0).clamp(min=1e-5)
    standard_NCFT = (x_NCFT - x_NCFT.mean(dim=axes, keepdim=True)) / deviation_N
    wanted_N = like_NCFT.std(dim=axes, keepdim=True, correction=0)
    return standard_NCFT * wanted_N + like_NCFT.mean(dim=axes, keepdim=True)

"""Augmentations of the log-mel spectrogram, after the front end. Defaults are the papers'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config, Count, NonNegative, Positive
from audiossl.recipe.view_base import Chance, NormaliseConfig, PositiveRange, ShareRange, ViewConfig

Fill = Literal["zero", "min", "mean", "max", "noise"]


class BatchNormaliseConfig(Config):
    """Standardise the whole batch of all views by its own mean and deviation (post-norm of BYOL-A)."""

    name: Literal["batch_normalise"] = "batch_normalise"
    eps: Positive = 1.1920929e-07
    """Least deviation divided by."""


class MixBackConfig(ViewConfig):
    """Mix in another clip of the batch as background, energy-matched in the power domain (Fonseca et al. 2021)."""

    name: Literal["mix_back"] = "mix_back"
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """A background's share of the energy is drawn from U(0, alpha)."""
    shared: bool = True
    """One share for all views of a clip, as in the paper; otherwise each view draws its own."""


class RandomResizedCropConfig(ViewConfig):
    """Cut a random box out of the spectrogram and stretch it to the full size, bilinear (Fonseca et al. 2021)."""

    name: Literal["random_resized_crop"] = "random_resized_crop"
    scale: ShareRange = (0.8, 1.0)
    """Share of the area that is kept."""
    ratio: PositiveRange = (0.75, 1.3333)
    """Bands over frames, drawn log-uniformly."""


class CompressionConfig(ViewConfig):
    """Multiply the log-mel by a factor: U(alpha, 1) for alpha below 1 (compression), U(1, alpha) above (expansion)."""

    name: Literal["compression"] = "compression"
    alpha: Positive = 0.75


class GaussianNoiseConfig(ViewConfig):
    """Add N(0, s) to every value, s drawn per example from U(0, std)."""

    name: Literal["gaussian_noise"] = "gaussian_noise"
    std: NonNegative = 0.01


class CanvasCropConfig(ViewConfig):
    """BYOL-A's random resized crop: a box out of a wider canvas of zeros around the spectrogram, resized bicubic.

    Belongs after a normalisation, where zero is the mean.
    """

    name: Literal["canvas_crop"] = "canvas_crop"
    canvas: Annotated[float, Field(ge=1, le=4)] = 1.5
    """Length of the canvas in lengths of the spectrogram, which lies in its middle."""
    bands: PositiveRange = (0.6, 1.5)
    """Height of the box in heights of the spectrogram; above 1 counts as 1."""
    frames: PositiveRange = (0.6, 1.5)
    """Length of the box in lengths of the spectrogram; at most the canvas."""


class LogMixupExpConfig(ViewConfig):
    """BYOL-A's mixup: a past input of the memory is mixed in between exp and log, as background.

    BYOL-A v2 and its successors write `alpha: 0.2`. Belongs after a normalisation.
    """

    name: Literal["log_mixup_exp"] = "log_mixup_exp"
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """The past input's share is drawn from U(0, alpha)."""
    memory: Count = 2048
    """Past inputs remembered, first in first out."""


class LinearFaderConfig(ViewConfig):
    """Add a straight line over time to every band, a fade in the log domain (BYOL-A v2)."""

    name: Literal["linear_fader"] = "linear_fader"
    gain: NonNegative = 1.0
    """Both ends of the line are drawn from U(-gain, gain)."""


class SpecAugmentConfig(ViewConfig):
    """Mask bands of frequency, then stretches of time (Park et al. 2019; widths and fills of Fonseca et al. 2021)."""

    name: Literal["spec_augment"] = "spec_augment"
    frequency_masks: Annotated[int, Field(ge=0)] = 2
    frequency_width: Count = 20
    """Masks are 0 to frequency_width - 1 bands wide."""
    time_masks: Annotated[int, Field(ge=0)] = 2
    time_width: Count = 20
    """Masks are 0 to time_width - 1 frames long."""
    fill: Fill = "min"
    """What a mask is filled with: zero, or the min, mean or max of the example, or noise of its mean and deviation."""
    low_bands: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Frequency masks start within this lowest share of the bands."""


class TimeWarpConfig(ViewConfig):
    """Move a point in time by some frames: one side is stretched, the other squeezed (SpecAugment, 2019)."""

    name: Literal["time_warp"] = "time_warp"
    max_frames: Count = 5
    """Largest move. The paper's 80 is for utterances of many seconds."""


class TimeShiftConfig(ViewConfig):
    """Circular shift forward in time."""

    name: Literal["time_shift"] = "time_shift"
    max_frames: Count = 29
    """By 1 to max_frames frames."""


class FrequencyShiftConfig(ViewConfig):
    """Circular shift upward in frequency; the top bands enter at the bottom."""

    name: Literal["frequency_shift"] = "frequency_shift"
    max_bands: Count = 9
    """By 1 to max_bands bands."""


class TimeReversalConfig(ViewConfig):
    """Run time backwards."""

    name: Literal["time_reversal"] = "time_reversal"
    p: Chance = 0.5


class BlurConfig(ViewConfig):
    """Gaussian blur whose odd kernel sizes along frequency and time are drawn apart."""

    name: Literal["blur"] = "blur"
    max_size: Annotated[int, Field(ge=1, le=63)] = 5
    """Largest kernel in bands or frames; an even number counts as the odd one below."""
    sigma: NonNegative = 0.0
    """Deviation in bands or frames; 0 derives it from the kernel's size: 0.3 * ((size - 1) / 2 - 1) + 0.8."""


SpectrogramView = Annotated[
    NormaliseConfig
    | BatchNormaliseConfig
    | MixBackConfig
    | RandomResizedCropConfig
    | CompressionConfig
    | GaussianNoiseConfig
    | CanvasCropConfig
    | LogMixupExpConfig
    | LinearFaderConfig
    | SpecAugmentConfig
    | TimeWarpConfig
    | TimeShiftConfig
    | FrequencyShiftConfig
    | TimeReversalConfig
    | BlurConfig,
    Field(discriminator="name"),
]

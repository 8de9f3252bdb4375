"""From the recipe's two chains to modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from audiossl.audio.views.blur import Blur
from audiossl.audio.views.crop import CanvasCrop, RandomResizedCrop
from audiossl.audio.views.filters import BandPass, HighPass, LowPass
from audiossl.audio.views.geometry import FrequencyShift, TimeReversal, TimeShift, TimeWarp
from audiossl.audio.views.levels import Compression, GaussianNoise, LinearFader
from audiossl.audio.views.masking import SpecAugment
from audiossl.audio.views.memory import LogMixupExp
from audiossl.audio.views.mixing import Log, MixBack
from audiossl.audio.views.normalise import BatchNormalise
from audiossl.audio.views.reverb import Reverb
from audiossl.audio.views.vocoder import PitchShift, TimeStretch
from audiossl.audio.views.wave_levels import Clipping, Fade, Gain, Polarity
from audiossl.audio.views.wave_mixing import ColouredNoise, MixAtSnr, WhiteNoise
from audiossl.audio.views.wave_shifts import CircularShift, CropShift
from audiossl.errors import UsageError
from audiossl.recipe import spectrogram_views as spectrogram
from audiossl.recipe import waveform_views as waveform
from audiossl.recipe.view_base import NormaliseConfig
from audiossl.recipe.views import ViewsConfig
from audiossl.views.base import Augmentation, Chain, Draw, Views
from audiossl.views.normalise import Normalise

SPECTROGRAM: dict[type, Callable[[Any], Augmentation]] = {
    spectrogram.BatchNormaliseConfig: BatchNormalise,
    spectrogram.RandomResizedCropConfig: RandomResizedCrop,
    spectrogram.CompressionConfig: Compression,
    spectrogram.GaussianNoiseConfig: GaussianNoise,
    spectrogram.CanvasCropConfig: CanvasCrop,
    spectrogram.LogMixupExpConfig: LogMixupExp,
    spectrogram.LinearFaderConfig: LinearFader,
    spectrogram.SpecAugmentConfig: SpecAugment,
    spectrogram.TimeWarpConfig: TimeWarp,
    spectrogram.TimeShiftConfig: TimeShift,
    spectrogram.FrequencyShiftConfig: FrequencyShift,
    spectrogram.TimeReversalConfig: TimeReversal,
    spectrogram.BlurConfig: Blur,
}
WAVEFORM: dict[type, Callable[[Any], Augmentation]] = {
    waveform.MixAtSnrConfig: MixAtSnr,
    waveform.GainConfig: Gain,
    waveform.PolarityConfig: Polarity,
    waveform.CircularShiftConfig: CircularShift,
    waveform.CropShiftConfig: CropShift,
    waveform.WhiteNoiseConfig: WhiteNoise,
    waveform.ColouredNoiseConfig: ColouredNoise,
    waveform.FadeConfig: Fade,
    waveform.ClippingConfig: Clipping,
}
WAVEFORM_WITH_RATE: dict[type, Callable[[Any, int], Augmentation]] = {
    waveform.LowPassConfig: LowPass,
    waveform.HighPassConfig: HighPass,
    waveform.BandPassConfig: BandPass,
    waveform.PitchShiftConfig: PitchShift,
    waveform.TimeStretchConfig: TimeStretch,
    waveform.ReverbConfig: Reverb,
}


class Statistics(Protocol):
    """Mean and deviation of the training data's spectrograms."""

    @property
    def mean(self) -> float:
        """Over every value."""

    @property
    def std(self) -> float:
        """Over every value, above 0."""


class AudioViews(Views):
    """The two chains of a recipe: `waveform(x_BS, draw)` before the front end, `spectrogram(x_BCFT, draw)` after it."""

    def __init__(self, waveform: Chain, spectrogram: Chain) -> None:
        super().__init__()
        self.waveform, self.spectrogram = waveform, spectrogram

    def before_frontend(self, x_BS: Tensor, draw: Draw) -> Tensor:
        """The waveforms augmented."""
        augmented: Tensor = self.waveform(x_BS, draw)
        return augmented

    def after_frontend(self, x_BCFT: Tensor, draw: Draw, short: int = 0, share: float = 1.0) -> list[Tensor]:
        """The spectrograms augmented; a small view is a stretch of an augmented one."""
        augmented, n = self.spectrogram(x_BCFT, draw), len(x_BCFT) // draw.views
        whole = (draw.views - short) * n
        views = list(torch.split(augmented[:whole], n))
        return [*views, *torch.split(stretches(augmented[whole:], share, draw), n)] if short else views


def stretches(x_BCFT: Tensor, share: float, draw: Draw) -> Tensor:
    """A stretch of `share` of the frames of every example, each at a place of its own."""
    frames = max(1, round(share * x_BCFT.shape[-1]))
    first_B = draw.integers(0, x_BCFT.shape[-1] - frames, len(x_BCFT))
    place_BT = first_B[:, None] + torch.arange(frames, device=x_BCFT.device)
    return x_BCFT.take_along_dim(place_BT[:, None, None], dim=-1)


def build_views(config: ViewsConfig, *, sample_rate: int, log: Log, statistics: Statistics | None) -> AudioViews:
    """The modules of a recipe's views.

    Args:
        config: the recipe's section `views`.
        sample_rate: Hz of the waveforms.
        log: the front end's logarithm.
        statistics: mean and deviation of the training data, for `normalise`.

    Raises:
        UsageError: `statistics` are absent, or a frequency lies above half the sample rate.
    """
    return AudioViews(
        Chain([_waveform_view(view, sample_rate) for view in config.waveform]),
        Chain([_spectrogram_view(view, log, statistics) for view in config.spectrogram]),
    )


def _spectrogram_view(config: spectrogram.SpectrogramView, log: Log, statistics: Statistics | None) -> Augmentation:
    if isinstance(config, NormaliseConfig):
        if statistics is None:
            raise UsageError("normalise needs the mean and deviation of the training data; measure them first")
        return Normalise(statistics.mean, statistics.std)
    if isinstance(config, spectrogram.MixBackConfig):
        return MixBack(config, log)
    return SPECTROGRAM[type(config)](config)


def _waveform_view(config: waveform.WaveformView, sample_rate: int) -> Augmentation:
    for field in ("cutoff_hz", "centre_hz"):
        highest = max(getattr(config, field, (0.0,)))
        if highest > sample_rate / 2:
            raise UsageError(
                f"{config.name}: {field} {highest:g} lies above half the sample rate; write at most {sample_rate / 2:g}"
            )
    if type(config) in WAVEFORM_WITH_RATE:
        return WAVEFORM_WITH_RATE[type(config)](config, sample_rate)
    return WAVEFORM[type(config)](config)

"""From the recipe's two chains to modules."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from audiossl.audio.views.base import Augmentation, Draw
from audiossl.audio.views.crop import RandomResizedCrop
from audiossl.audio.views.levels import Compression, GaussianNoise, LinearFader
from audiossl.audio.views.mixing import Log, MixBack
from audiossl.audio.views.normalise import BatchNormalise, Normalise
from audiossl.errors import UsageError
from audiossl.recipe import spectrogram_views as spectrogram
from audiossl.recipe import waveform_views as waveform
from audiossl.recipe.views import ViewsConfig


class Statistics(Protocol):
    """Mean and deviation of the training data's spectrograms."""

    @property
    def mean(self) -> float:
        """Over every value."""

    @property
    def std(self) -> float:
        """Over every value, above 0."""


class Chain(nn.Module):
    """Augmentations one after another, without gradients and in float32 whatever the precision around it."""

    def __init__(self, augmentations: list[Augmentation]) -> None:
        super().__init__()
        self.augmentations = nn.ModuleList(augmentations)

    @torch.no_grad()
    def forward(self, x: Tensor, draw: Draw) -> Tensor:
        """The whole batch `x` augmented, the same shape, float32."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            for augmentation in self.augmentations:
                x = augmentation(x, draw)
        return x


class Views(nn.Module):
    """The two chains of a recipe: `waveform(x_BS, draw)` before the front end, `spectrogram(x_BCFT, draw)` after it."""

    def __init__(self, waveform: Chain, spectrogram: Chain) -> None:
        super().__init__()
        self.waveform, self.spectrogram = waveform, spectrogram


def build_views(config: ViewsConfig, *, sample_rate: int, log: Log, statistics: Statistics | None) -> Views:
    """The modules of a recipe's views.

    Args:
        config: the recipe's section `views`.
        sample_rate: Hz of the waveforms.
        log: the front end's logarithm.
        statistics: mean and deviation of the training data, for `normalise`.

    Raises:
        UsageError: `statistics` are absent, or a frequency lies above half the sample rate.
    """
    return Views(
        Chain([_waveform_view(view, sample_rate) for view in config.waveform]),
        Chain([_spectrogram_view(view, log, statistics) for view in config.spectrogram]),
    )


def _spectrogram_view(config: spectrogram.SpectrogramView, log: Log, statistics: Statistics | None) -> Augmentation:
    match config:
        case spectrogram.NormaliseConfig():
            if statistics is None:
                raise UsageError("normalise needs the mean and deviation of the training data; measure them first")
            return Normalise(statistics.mean, statistics.std)
        case spectrogram.BatchNormaliseConfig():
            return BatchNormalise(config)
        case spectrogram.MixBackConfig():
            return MixBack(config, log)
        case spectrogram.RandomResizedCropConfig():
            return RandomResizedCrop(config)
        case spectrogram.CompressionConfig():
            return Compression(config)
        case spectrogram.GaussianNoiseConfig():
            return GaussianNoise(config)
        case spectrogram.LinearFaderConfig():
            return LinearFader(config)
    raise NotImplementedError(config.name)


def _waveform_view(config: waveform.WaveformView, sample_rate: int) -> Augmentation:
    raise NotImplementedError(config.name)

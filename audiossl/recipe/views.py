"""Views: the augmentations of a clip, in the waveform and in the spectrogram, in the recipe's own order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config, Probability


class ViewConfig(Config):
    """What every augmentation can say."""

    p: Probability = 1.0
    """Probability that an example is changed at all."""


class NormaliseConfig(Config):
    """Subtract the mean and divide by the deviation of the training data (two numbers, kept in the bundle)."""

    name: Literal["normalise"] = "normalise"


class GaussianNoiseConfig(ViewConfig):
    """Add N(0, s) to every value, s drawn per example from U(0, std)."""

    name: Literal["gaussian_noise"] = "gaussian_noise"
    std: float = 0.01


class GainConfig(ViewConfig):
    """Multiply the waveform by a gain drawn in dB."""

    name: Literal["gain"] = "gain"
    min_db: float = -6.0
    max_db: float = 6.0


WaveformView = Annotated[GainConfig, Field()]
SpectrogramView = Annotated[NormaliseConfig | GaussianNoiseConfig, Field(discriminator="name")]


class ViewsConfig(Config):
    """Two chains: over the waveform crops before the front end, and over the spectrograms after it."""

    waveform: list[WaveformView] = []
    spectrogram: list[SpectrogramView] = [NormaliseConfig()]

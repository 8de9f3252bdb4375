"""Views: the augmentations of a clip, in the waveform and in the spectrogram, in the recipe's own order."""

from __future__ import annotations

from pydantic import Field, field_validator

from audiossl.recipe.base import Config
from audiossl.recipe.spectrogram_views import (
    CompressionConfig,
    GaussianNoiseConfig,
    MixBackConfig,
    RandomResizedCropConfig,
    SpectrogramView,
)
from audiossl.recipe.view_base import NormaliseConfig
from audiossl.recipe.waveform_views import WaveformView


class ViewsConfig(Config):
    """Two chains: over the waveform crops before the front end, and over the spectrograms after it.

    The default is the chain of Fonseca et al. (ICASSP 2021).
    """

    waveform: list[WaveformView] = Field(default=[])
    spectrogram: list[SpectrogramView] = Field(
        default=[
            MixBackConfig(),
            RandomResizedCropConfig(),
            CompressionConfig(),
            GaussianNoiseConfig(),
            NormaliseConfig(),
        ]
    )

    @property
    def chain(self) -> list[WaveformView | SpectrogramView]:
        """All views in the order in which a crop meets them."""
        return [*self.waveform, *self.spectrogram]

    @field_validator("spectrogram")
    @classmethod
    def _one_normalise(cls, chain: list[SpectrogramView]) -> list[SpectrogramView]:
        count = sum(isinstance(view, NormaliseConfig) for view in chain)
        if count != 1:
            raise ValueError(f"the chain has {count} views named normalise; write `- name: normalise` exactly once")
        return chain

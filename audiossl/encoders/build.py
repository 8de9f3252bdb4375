"""The one place that builds an encoder from its Config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch

from audiossl.encoders.audiontt import AudioNtt2020, AudioNtt2022
from audiossl.encoders.base import Encoder
from audiossl.encoders.causal import Causal
from audiossl.encoders.crnn import Crnn
from audiossl.encoders.patches import Patches
from audiossl.encoders.resnet import ResNet18
from audiossl.encoders.text import SentenceTransformers, TextEncoder, TextTransformer
from audiossl.encoders.timm_network import TimmNetwork
from audiossl.encoders.vgg import VggLike
from audiossl.encoders.waveform import WaveformCnn
from audiossl.recipe.base import Config
from audiossl.recipe.encoders import (
    AudioNtt2020Config,
    AudioNtt2022Config,
    CausalConfig,
    CausalWaveformConfig,
    CrnnConfig,
    EncoderConfig,
    ResNet18Config,
    TimmConfig,
    VggLikeConfig,
    WaveformCnnConfig,
)
from audiossl.recipe.image_encoders import ImageEncoderConfig, ImageResNet18Config, PatchesConfig
from audiossl.recipe.text_encoders import SentenceTransformersConfig, TextEncoderConfig, TextTransformerConfig

_MAKERS: dict[type[Config], Callable[[Any, int], Encoder]] = {
    CrnnConfig: Crnn,
    VggLikeConfig: VggLike,
    AudioNtt2020Config: AudioNtt2020,
    AudioNtt2022Config: AudioNtt2022,
    CausalConfig: Causal,
    CausalWaveformConfig: Causal,
    WaveformCnnConfig: WaveformCnn,
}
"""Encoders of one channel, from Config and bands."""
_MAKERS_OF_CHANNELS: dict[type[Config], Callable[[Any, int, int], Encoder]] = {
    ResNet18Config: ResNet18,
    ImageResNet18Config: ResNet18,
    TimmConfig: TimmNetwork,
    PatchesConfig: Patches,
}
"""Encoders of any number of channels, from Config, bands and channels."""


@overload
def build_encoder(config: EncoderConfig | ImageEncoderConfig, bands: int, channels: int = 1) -> Encoder: ...


@overload
def build_encoder(config: TextEncoderConfig, bands: int, channels: int = 1) -> TextEncoder: ...


def build_encoder(
    config: EncoderConfig | ImageEncoderConfig | TextEncoderConfig, bands: int, channels: int = 1
) -> Encoder | TextEncoder:
    """The encoder of `config`, its weights from torch's global random state.

    Args:
        config: which; an encoder of texts asks for neither bands nor channels.
        bands: of the spectrograms, or the side of the pictures.
        channels: 1 for spectrograms, 3 for pictures.

    Raises:
        RecipeError: the encoder cannot take so few bands, or a timm network is unknown or not installed.
    """
    if isinstance(config, TextTransformerConfig):
        return TextTransformer(config)
    if isinstance(config, SentenceTransformersConfig):
        return SentenceTransformers(config)
    kind = type(config)
    if kind in _MAKERS_OF_CHANNELS:
        return _MAKERS_OF_CHANNELS[kind](config, bands, channels)
    assert channels == 1, f"{config.name} takes one channel"
    return _MAKERS[kind](config, bands)


def build_seeded(config: EncoderConfig | ImageEncoderConfig, bands: int, seed: int, channels: int = 1) -> Encoder:
    """`build_encoder` with weights that depend on `seed` alone; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_encoder(config, bands, channels)

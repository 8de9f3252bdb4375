"""The one place that builds an encoder from its Config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch

from audiossl.encoders.audiontt import AudioNtt2020, AudioNtt2022
from audiossl.encoders.base import Encoder
from audiossl.encoders.causal import Causal
from audiossl.encoders.crnn import Crnn
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
from audiossl.recipe.text_encoders import SentenceTransformersConfig, TextEncoderConfig, TextTransformerConfig

_MAKERS: dict[type[Config], Callable[[Any, int], Encoder]] = {
    ResNet18Config: ResNet18,
    VggLikeConfig: VggLike,
    CrnnConfig: Crnn,
    AudioNtt2020Config: AudioNtt2020,
    AudioNtt2022Config: AudioNtt2022,
    TimmConfig: TimmNetwork,
    CausalConfig: Causal,
    CausalWaveformConfig: Causal,
    WaveformCnnConfig: WaveformCnn,
}


@overload
def build_encoder(config: EncoderConfig, n_mels: int) -> Encoder: ...


@overload
def build_encoder(config: TextEncoderConfig, n_mels: int) -> TextEncoder: ...


def build_encoder(config: EncoderConfig | TextEncoderConfig, n_mels: int) -> Encoder | TextEncoder:
    """The encoder of `config` for spectrograms of `n_mels` bands, its weights from torch's global random state.

    An encoder of texts asks for no bands.

    Raises:
        RecipeError: the encoder cannot take so few bands, or a timm network is unknown or not installed.
    """
    if isinstance(config, TextTransformerConfig):
        return TextTransformer(config)
    if isinstance(config, SentenceTransformersConfig):
        return SentenceTransformers(config)
    return _MAKERS[type(config)](config, n_mels)


def build_seeded(config: EncoderConfig, n_mels: int, seed: int) -> Encoder:
    """`build_encoder` with weights that depend on `seed` alone; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_encoder(config, n_mels)

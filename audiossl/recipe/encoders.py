"""Encoders: from a spectrogram to an embedding."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config, Count, Probability


class ResNet18Config(Config):
    """ResNet-18 with a one-channel stem (He et al. 2016, as in Fonseca et al. 2021); embedding 512."""

    name: Literal["resnet18"] = "resnet18"


class VggLikeConfig(Config):
    """The VGG-like network of Fonseca et al. 2021; embedding 512."""

    name: Literal["vgg_like"] = "vgg_like"


class CrnnConfig(Config):
    """The CRNN of Fonseca et al. 2021: three convolutions and a bidirectional GRU; embedding 64."""

    name: Literal["crnn"] = "crnn"


class AudioNtt2020Config(Config):
    """The encoder of BYOL-A (Niizumi et al. 2021): three convolution blocks, an MLP per frame, mean plus max."""

    name: Literal["audiontt2020"] = "audiontt2020"
    dim: Count = 512
    """Embedding size: 512, 1024 and 2048 in the paper."""
    dropout: Probability = 0.3


class AudioNtt2022Config(Config):
    """The encoder of BYOL-A v2 (Niizumi et al. 2023): two blocks, features beside the MLP's, mean plus max."""

    name: Literal["audiontt2022"] = "audiontt2022"
    dim: Count = 3072
    """Embedding size: convolution features (16 per mel band) and the MLP's outputs side by side."""
    hidden: Count = 2048
    dropout: Probability = 0.3


class TimmConfig(Config):
    """Any network of timm that takes images of any size, from scratch, one input channel (needs the extra `timm`)."""

    name: Literal["timm"] = "timm"
    model: str = "efficientnet_b0"
    """The network's name in timm."""


EncoderConfig = Annotated[
    ResNet18Config | VggLikeConfig | CrnnConfig | AudioNtt2020Config | AudioNtt2022Config | TimmConfig,
    Field(discriminator="name"),
]

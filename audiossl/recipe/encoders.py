"""Encoders: from a spectrogram to an embedding."""

from __future__ import annotations

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

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
    """Any network of timm from scratch: for sound one that takes images of any size (needs the extra `timm`)."""

    name: Literal["timm"] = "timm"
    model: str = "efficientnet_b0"
    """The network's name in timm."""


class CausalConfig(Config):
    """The encoder of CPC (van den Oord et al. 2018) over log-mel frames: it never looks ahead; convolutions and a GRU.

    `channels`, `kernels` and `strides` have one entry per convolution.
    """

    more_frames: ClassVar[str] = "a longer data.crop_s"
    """What to write for more of them."""
    name: Literal["causal"] = "causal"
    channels: list[Count] = Field(default=[256, 256], min_length=1)
    kernels: list[Count] = Field(default=[4, 4], min_length=1)
    strides: list[Count] = Field(default=[2, 2], min_length=1)
    context: Count = 256
    """Units of the GRU, and the embedding's size."""

    @model_validator(mode="after")
    def _layers(self) -> CausalConfig:
        if not len(self.channels) == len(self.kernels) == len(self.strides):
            raise ValueError("channels, kernels and strides are lists of different lengths; write one entry per layer")
        if any(kernel < stride for kernel, stride in zip(self.kernels, self.strides, strict=True)):
            raise ValueError("a kernel is shorter than its stride and would skip input; write a longer kernel")
        return self

    def frames_of(self, columns: int) -> int:
        """Frames of the encoder in so many columns of its input."""
        return columns // prod(self.strides)


class CausalWaveformConfig(CausalConfig):
    """The encoder of CPC (van den Oord et al. 2018) over the raw waveform: 160 samples per frame, 512 channels."""

    name: Literal["causal_waveform"] = "causal_waveform"  # type: ignore[assignment]
    channels: list[Count] = Field(default=[512, 512, 512, 512, 512], min_length=1)
    kernels: list[Count] = Field(default=[10, 8, 4, 4, 4], min_length=1)
    strides: list[Count] = Field(default=[5, 4, 2, 2, 2], min_length=1)


class WaveformCnnConfig(Config):
    """A light convolutional network over the raw waveform: 160 samples per frame, mean plus max over time."""

    name: Literal["waveform_cnn"] = "waveform_cnn"
    dim: Count = 512
    """Embedding size."""


WaveformEncoderConfig = Annotated[CausalWaveformConfig | WaveformCnnConfig, Field(discriminator="name")]
"""Encoders of raw waveforms, (B, 1, 1, S)."""

EncoderConfig = Annotated[
    ResNet18Config
    | VggLikeConfig
    | CrnnConfig
    | AudioNtt2020Config
    | AudioNtt2022Config
    | TimmConfig
    | CausalConfig
    | CausalWaveformConfig
    | WaveformCnnConfig,
    Field(discriminator="name"),
]

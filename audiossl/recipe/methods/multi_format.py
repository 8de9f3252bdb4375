"""Multi-format contrast: one clip as a spectrogram and as a waveform."""

from __future__ import annotations

from typing import Literal

from audiossl.recipe.base import Positive
from audiossl.recipe.encoders import WaveformCnnConfig, WaveformEncoderConfig
from audiossl.recipe.methods.base import HeadSpec, MethodBase


class MultiFormatConfig(MethodBase):
    """Multi-format contrast (Wang and van den Oord 2021): a clip's spectrogram and its raw waveform come together.

    Each has an encoder and a head of its own; other clips are pushed away. The bundle keeps the spectrogram's encoder.
    The waveform's trains beside it and stays in the run's checkpoint only, as `method.partner`; to get a bundle of it,
    train it as the recipe's own encoder with the front end `waveform` and a method that takes any encoder.
    """

    family = "contrastive"
    paper = "Wang and van den Oord 2021"
    takes = ("audio",)
    instead = "simclr, which compares two views"
    needs = "a front end that makes spectrograms; the waveform comes from the same clip"
    name: Literal["multi_format"] = "multi_format"
    partner: WaveformEncoderConfig = WaveformCnnConfig()
    """The encoder of the waveform."""
    temperature: Positive = 0.1
    head: HeadSpec = "512 bn relu 512"
    """Of both encoders, one each; its output is L2-normalised."""

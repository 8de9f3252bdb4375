"""Front ends: from a waveform to a log-mel spectrogram, or to itself. Every number that makes the input is here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from audiossl.recipe.base import Config, Count, NonNegative, Positive


class LogMelConfig(Config):
    """A log-mel spectrogram of which every number can be said.

    The named front ends below are this one with other defaults.
    """

    name: Literal["logmel"] = "logmel"
    sample_rate: Annotated[int, Field(ge=1000, le=768_000)] = 16_000
    """Hz; files of any rate are resampled to it."""
    n_fft: Count = 1024
    window: Literal["hann", "hamming"] = "hann"
    """Periodic window."""
    window_length: Count = 1024
    """Samples; centred in the FFT frame."""
    hop: Count = 160
    """Samples between frames."""
    n_mels: Count = 64
    f_min: NonNegative = 60.0
    """Hz."""
    f_max: Positive = 7800.0
    """Hz."""
    mel_scale: Literal["slaney", "htk"] = "slaney"
    mel_norm: Literal["slaney", "none"] = "slaney"
    """`slaney` divides each triangle by its width in Hz; `none` leaves unit height."""
    power: Literal[1, 2] = 2
    """1: magnitude, 2: power spectrum."""
    log: Literal["ln", "log10", "db"] = "ln"
    eps: Positive = 1.1920929e-07
    """Added to the mel energies before the logarithm."""
    wave_eps: NonNegative = 0.0
    """Added to every sample before the transform."""
    padding: Literal["reflect", "zeros"] = "reflect"
    """How the ends of a whole clip are padded so that frame t is centred on sample t * hop."""
    waveform: Literal["none", "peak"] = "none"
    """`peak`: subtract the clip's mean and divide by (its largest magnitude + `headroom`)."""
    headroom: NonNegative = 0.005
    """Full scale is 1; only with `waveform: peak`. It keeps digital silence silent."""
    min_s: NonNegative = 0.0
    """Shorter clips are repeated to this many seconds."""

    @property
    def bands(self) -> int:
        """F of what encoders are given."""
        return self.n_mels

    @model_validator(mode="after")
    def _consistent(self) -> LogMelConfig:
        if self.window_length > self.n_fft:
            raise ValueError(f"window_length {self.window_length} is longer than n_fft; write at most {self.n_fft}")
        nyquist = self.sample_rate / 2
        if self.f_max > nyquist:
            raise ValueError(f"f_max {self.f_max:g} Hz is above half the sample rate; write at most {nyquist:g}")
        if self.f_min >= self.f_max:
            raise ValueError(f"f_min {self.f_min:g} Hz is not below f_max; write less than {self.f_max:g}")
        return self


class FonsecaConfig(LogMelConfig):
    """The front end of Fonseca et al. (ICASSP 2021): 22.05 kHz, 96 unit-height Slaney mels, log10, reflect padding."""

    name: Literal["fonseca2021"] = "fonseca2021"  # type: ignore[assignment]
    sample_rate: Annotated[int, Field(ge=1000, le=768_000)] = 22_050
    n_fft: Count = 2048
    window: Literal["hann", "hamming"] = "hamming"
    window_length: Count = 660
    hop: Count = 220
    n_mels: Count = 96
    f_min: NonNegative = 50.0
    f_max: Positive = 10_500.0
    mel_norm: Literal["slaney", "none"] = "none"
    log: Literal["ln", "log10", "db"] = "log10"
    eps: Positive = 1.1e-8
    wave_eps: NonNegative = 1.1e-8
    waveform: Literal["none", "peak"] = "peak"
    min_s: NonNegative = 1.0


class ByolaConfig(LogMelConfig):
    """The front end of BYOL-A (Niizumi et al., IJCNN 2021): 16 kHz, 64 mels from 60 to 7800 Hz, natural logarithm."""

    name: Literal["byola"] = "byola"  # type: ignore[assignment]


class WaveformConfig(Config):
    """The samples themselves, as a spectrogram of one band with one frame per sample: for encoders of raw waveforms."""

    hop: ClassVar[int] = 1
    window_length: ClassVar[int] = 0
    n_mels: ClassVar[int] = 1
    bands: ClassVar[int] = 1
    log: ClassVar[Literal["ln"]] = "ln"
    """Not used: the views that ask for it are refused on a waveform."""

    name: Literal["waveform"] = "waveform"
    sample_rate: Annotated[int, Field(ge=1000, le=768_000)] = 16_000
    """Hz; files of any rate are resampled to it."""
    waveform: Literal["none", "peak"] = "none"
    """`peak`: subtract the clip's mean and divide by (its largest magnitude + `headroom`)."""
    headroom: NonNegative = 0.005
    """Full scale is 1; only with `waveform: peak`. It keeps digital silence silent."""
    min_s: NonNegative = 0.0
    """Shorter clips are repeated to this many seconds."""


FrontEndConfig = Annotated[
    LogMelConfig | FonsecaConfig | ByolaConfig | WaveformConfig,
    Field(discriminator="name"),
]

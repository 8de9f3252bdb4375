"""Augmentations of the waveform crop, before the front end.

Defaults are those of the audio contrastive papers (CLMR, CLAR) where they state one, and the usual ones of the
field otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Count
from audiossl.recipe.view_base import Ascending, Chance, PositiveRange, Range, Share, ShareRange, ViewConfig

Semitones = Annotated[float, Field(ge=-24, le=24)]
Rate = Annotated[float, Field(ge=0.25, le=4)]


class MixAtSnrConfig(ViewConfig):
    """Add another clip of the batch at a drawn signal-to-noise ratio."""

    name: Literal["mix_at_snr"] = "mix_at_snr"
    snr_db: Range = (3.0, 30.0)


class GainConfig(ViewConfig):
    """Multiply the waveform by a gain drawn in dB."""

    name: Literal["gain"] = "gain"
    gain_db: Range = (-6.0, 6.0)


class PolarityConfig(ViewConfig):
    """Turn the waveform upside down."""

    name: Literal["polarity"] = "polarity"
    p: Chance = 0.5


class CircularShiftConfig(ViewConfig):
    """Shift in time, either way; what leaves at one end enters at the other."""

    name: Literal["circular_shift"] = "circular_shift"
    max_share: Share = 1.0
    """Largest shift as a share of the crop."""


class CropShiftConfig(ViewConfig):
    """Shift in time, either way; the gap is silent."""

    name: Literal["crop_shift"] = "crop_shift"
    max_share: Share = 0.25
    """Largest shift as a share of the crop."""


class WhiteNoiseConfig(ViewConfig):
    """Add white Gaussian noise at a drawn signal-to-noise ratio."""

    name: Literal["white_noise"] = "white_noise"
    snr_db: Range = (3.0, 30.0)


class ColouredNoiseConfig(ViewConfig):
    """Add Gaussian noise whose power falls as frequency ** -exponent, at a drawn signal-to-noise ratio."""

    name: Literal["coloured_noise"] = "coloured_noise"
    snr_db: Range = (3.0, 30.0)
    exponent: Range = (-2.0, 2.0)
    """-2 violet, -1 blue, 0 white, 1 pink, 2 brown."""


class LowPassConfig(ViewConfig):
    """Attenuate above a cut-off drawn log-uniformly (Butterworth magnitude, no phase shift)."""

    name: Literal["low_pass"] = "low_pass"
    cutoff_hz: PositiveRange = (2200.0, 4000.0)
    order: Count = 2
    """Attenuation is 3 dB at the cut-off and grows by 6 dB per octave and order beyond it."""


class HighPassConfig(ViewConfig):
    """Attenuate below a cut-off drawn log-uniformly (Butterworth magnitude, no phase shift)."""

    name: Literal["high_pass"] = "high_pass"
    cutoff_hz: PositiveRange = (200.0, 1200.0)
    order: Count = 2
    """Attenuation is 3 dB at the cut-off and grows by 6 dB per octave and order beyond it."""


class BandPassConfig(ViewConfig):
    """Attenuate outside a band whose centre and width are drawn (Butterworth magnitude, no phase shift)."""

    name: Literal["band_pass"] = "band_pass"
    centre_hz: PositiveRange = (200.0, 4000.0)
    """Drawn log-uniformly."""
    octaves: PositiveRange = (1.0, 4.0)
    """Distance of the two cut-offs."""
    order: Count = 2
    """Attenuation is 3 dB at the cut-offs and grows by 6 dB per octave and order beyond them."""


class FadeConfig(ViewConfig):
    """Fade in from silence and out to silence."""

    name: Literal["fade"] = "fade"
    max_share: Share = 0.5
    """Longest fade as a share of the crop; the lengths of the two are drawn from U(0, max_share)."""
    shape: Literal["linear", "cosine"] = "linear"


class ClippingConfig(ViewConfig):
    """Clip at a drawn share of the crop's largest magnitude."""

    name: Literal["clipping"] = "clipping"
    threshold: ShareRange = (0.2, 1.0)


class PitchShiftConfig(ViewConfig):
    """Move every frequency by a drawn number of semitones and keep the length (phase vocoder)."""

    name: Literal["pitch_shift"] = "pitch_shift"
    semitones: Annotated[tuple[Semitones, Semitones], Ascending] = (-5.0, 5.0)


class TimeStretchConfig(ViewConfig):
    """Play faster (rate above 1) or slower and keep every frequency (phase vocoder).

    The crop keeps its length: a faster one is repeated, a slower one is cut.
    """

    name: Literal["time_stretch"] = "time_stretch"
    rate: Annotated[tuple[Rate, Rate], Ascending] = (0.8, 1.25)


class ReverbConfig(ViewConfig):
    """Convolve with exponentially decaying noise, a synthetic room, and keep the energy."""

    name: Literal["reverb"] = "reverb"
    rt60_s: PositiveRange = (0.1, 0.8)
    """Seconds until the room has fallen silent by 60 dB."""
    wet: ShareRange = (0.1, 0.5)
    """Share of the reverberated sound."""


WaveformView = Annotated[
    MixAtSnrConfig
    | GainConfig
    | PolarityConfig
    | CircularShiftConfig
    | CropShiftConfig
    | WhiteNoiseConfig
    | ColouredNoiseConfig
    | LowPassConfig
    | HighPassConfig
    | BandPassConfig
    | FadeConfig
    | ClippingConfig
    | PitchShiftConfig
    | TimeStretchConfig
    | ReverbConfig,
    Field(discriminator="name"),
]

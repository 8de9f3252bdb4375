"""Which examples a run trains on, and how a crop is taken from each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Auto, Config, Count, Positive
from audiossl.recipe.frontends import FrontEndConfig
from audiossl.recipe.image_frontend import PixelsConfig


class DataBase(Config):
    """What the training data of both wings have in common."""

    manifest: str = "synth"
    """A shipped manifest (`audiossl data list`), or the path of a manifest, a folder or a CSV."""
    root: str | None = None
    """Where the manifest's files are; `--data PATH` sets it."""
    splits: list[str] | None = None
    """Only these splits of the manifest; all of them when left out. Labels never enter pre-training."""
    folds: list[int] | None = None
    """Only these folds of the manifest; all of them when left out."""
    limit: Count | None = None
    """At most so many examples, drawn from all by the recipe's `seed`; all of them when left out."""
    cache: Literal["auto", "on", "off"] = "auto"
    """Decode every file once into the cache on disk. `auto`: when that takes at most 8 GB."""
    workers: Annotated[int, Field(ge=0)] | Auto = "auto"
    """Loader processes. `auto`: none with the cache, one per core without."""
    text_bytes: Count = 128
    """At most this many bytes of a text are read, cut between characters; only a method that learns from texts does."""
    statistics_items: Count = 10_000
    """At most this many examples are measured for the mean and deviation of `normalise`."""


class DataConfig(DataBase):
    """The training data: a manifest's name, a manifest file, a folder of sounds, or a CSV of one's own."""

    crop_s: Positive = 1.0
    """Length of a training crop in seconds, rounded to a whole number of front-end frames."""
    crops: Literal["independent", "same"] = "independent"
    """Whether the views of a clip come from independent crops of it or from one and the same crop."""

    def columns(self, frontend: FrontEndConfig) -> int:
        """Columns of the input that a crop becomes: frames of a spectrogram, samples of a waveform."""
        return round(self.crop_s * frontend.sample_rate / frontend.hop)

    def alike(self, frontend: FrontEndConfig, longest_s: float) -> str | None:
        """Why two crops of a clip are always the same, and what to write instead; None where they can differ."""
        if self.crops == "same":
            return (
                "all views of a clip are identical: they come from one crop and no augmentation changes them; "
                "write data.crops: independent, or add one to views.spectrogram"
            )
        if max(longest_s, frontend.min_s) - self.crop_s < frontend.hop / frontend.sample_rate:
            return (
                f"all views of a clip are identical: no clip is longer than data.crop_s {self.crop_s:g} and no "
                f"augmentation changes them; write a shorter data.crop_s, or add one to views.spectrogram"
            )
        return None


class ImageDataConfig(DataBase):
    """The training data: a manifest's name, a manifest file, a folder of pictures, or a CSV of one's own."""

    manifest: str = "synth_images"

    def columns(self, frontend: PixelsConfig) -> int:
        """Columns of a picture."""
        return frontend.side

    def alike(self, frontend: object, longest_s: float) -> str | None:
        """As `DataConfig.alike`: a picture is one crop."""
        return "all views of a picture are identical: no augmentation changes them; add one to views.image"

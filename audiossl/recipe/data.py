"""Which sounds a run trains on, and how a crop is taken from each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Auto, Config, Count, Positive


class DataConfig(Config):
    """The training data: a manifest's name, a manifest file, a folder of sounds, or a CSV of one's own."""

    manifest: str = "synth"
    """A shipped manifest (`audiossl data list`), or the path of a manifest, a folder or a CSV."""
    root: str | None = None
    """Where the manifest's files are; `--data PATH` sets it."""
    splits: list[str] | None = None
    """Only these splits of the manifest; all of them when left out. Labels never enter pre-training."""
    folds: list[int] | None = None
    """Only these folds of the manifest; all of them when left out."""
    crop_s: Positive = 1.0
    """Length of a training crop in seconds, rounded to a whole number of front-end frames."""
    crops: Literal["independent", "same"] = "independent"
    """Whether the views of a clip come from independent crops of it or from one and the same crop."""
    cache: Literal["auto", "on", "off"] = "auto"
    """Decode every clip once into 16-bit PCM on disk. `auto`: when that takes at most 8 GB."""
    workers: Annotated[int, Field(ge=0)] | Auto = "auto"
    """Loader processes. `auto`: none with the cache, one per core without."""
    text_bytes: Count = 128
    """At most this many bytes of a text are read, cut between characters; only a method that learns from texts does."""
    statistics_items: Count = 10_000
    """At most this many clips are measured for the mean and deviation of `normalise`."""

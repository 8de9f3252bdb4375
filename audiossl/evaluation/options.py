"""How an evaluation runs. Imports no torch, so that the command line can read the defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Config, Count

Seed = Annotated[int, Field(ge=0, lt=2**31)]


class EvaluateOptions(Config):
    """What can be said to `audiossl evaluate` beside the models and the data."""

    protocols: list[str] = Field(default=["quick"], min_length=1)
    """Names with versions, paths of protocol files, or the groups `quick` and `full`."""
    folds: list[str | int] | None = Field(default=None, min_length=1)
    """Only these test folds, each still learning from all others; every fold when left out."""
    seeds: list[Seed] = Field(default=[0, 1, 2], min_length=1)
    """Of the untrained twins."""
    baselines: bool = True
    """Score the untrained twins and the plain statistics too."""
    cache: bool = True
    """Take baseline scores and finished rounds of fine-tuning from the user's cache folder, and keep them there."""
    skip_failed: bool = False
    """Leave out files that cannot be decoded, and list them, instead of refusing."""
    allow_duplicates: bool = False
    """Score although an example stands on both sides of a split, and list such, instead of refusing."""
    labels_from_folders: bool = False
    """The subfolders of a folder are the classes."""
    map: Literal["pca", "tsne"] = "pca"
    """How the page's embedding map is drawn."""
    threads: Count | None = None
    """Fits at a time; all cores when left out."""

"""Evaluation protocols: named, versioned, frozen descriptions of how an embedding is scored.

A protocol is features x scaler x head x fit x selection x aggregation x metrics. The same embeddings differ by five
points between protocols, so its name and hash are stored with every score. These Configs have no defaults: a
protocol's file states every number. Imports neither torch nor scikit-learn.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from audiossl import files
from audiossl.errors import RecipeError, UsageError
from audiossl.recipe.base import Config, Count, Positive
from audiossl.recipe.problems import problems
from audiossl.recipe.yaml import Document, read_yaml

Metric = Literal["accuracy", "macro_accuracy"]


class FeaturesConfig(Config):
    """What is scored."""

    unit: Literal["clip"]
    """One embedding per item, the mean over its windows."""


class LogisticRegressionConfig(Config):
    """Multinomial logistic regression with an L2 penalty on the weights and none on the intercepts."""

    name: Literal["logistic_regression"] = "logistic_regression"


class KnnConfig(Config):
    """A vote of the nearest training items by cosine similarity."""

    name: Literal["knn"] = "knn"
    k: Count
    temperature: Positive | None
    """A neighbour's vote weighs exp(similarity / temperature); null is a plain majority."""


Prompt = Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")]
"""A text with one `{}` in it, for the name of a class."""


class ZeroShotConfig(Config):
    """The class whose name is most like the sound, in the space that the encoder shares with texts."""

    name: Literal["zero_shot"] = "zero_shot"
    prompts: list[Prompt] = Field(min_length=1)
    """What is said of each class; the embeddings are averaged."""
    spaces: str
    """Characters of a class's name that stand for a space."""


class NewtonConfig(Config):
    """Truncated Newton, to convergence."""

    name: Literal["newton_cg"] = "newton_cg"
    tolerance: Positive
    """Largest entry of the gradient of the mean objective at the solution."""
    max_iterations: Count
    """Newton steps; not converging within them is an error."""


class NoFitConfig(Config):
    """A head without parameters."""

    name: Literal["none"] = "none"


class NestedConfig(Config):
    """Choose C within the training folds of each round: leave one out in turn, count what is right, refit on all.

    Among equals the smallest C wins. Where training has fewer than two folds of its own, `folds.when_missing`
    stratified grouped ones are made of it.
    """

    name: Literal["nested"] = "nested"
    strengths: list[Positive] = Field(min_length=1)
    """Candidate values of C, ascending."""

    @field_validator("strengths")
    @classmethod
    def _ascending(cls, strengths: list[float]) -> list[float]:
        if strengths != sorted(set(strengths)):
            raise ValueError("write the values of C in ascending order, each once")
        return strengths


class NoSelectionConfig(Config):
    """Nothing is chosen."""

    name: Literal["none"] = "none"


class FoldsConfig(Config):
    """The items' own folds, each in turn the test; or their split `test`; or folds made here."""

    when_missing: Annotated[int, Field(ge=2)]
    """Stratified grouped folds for items that bring neither folds nor a split `test`."""


class IntervalConfig(Config):
    """Bootstrap over test items in whole groups, within folds."""

    level: Annotated[float, Field(gt=0, lt=1)]
    draws: Count


class Protocol(Config):
    """One way to score an embedding."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Count
    title: str
    """A few letters for the head of a table's column."""
    description: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    """Of made folds and of the bootstrap."""
    features: FeaturesConfig
    scaler: Literal["standard", "none"]
    """`standard`: zero mean and unit variance over the training items of each fit."""
    head: Annotated[LogisticRegressionConfig | KnnConfig | ZeroShotConfig, Field(discriminator="name")]
    fit: Annotated[NewtonConfig | NoFitConfig, Field(discriminator="name")]
    selection: Annotated[NestedConfig | NoSelectionConfig, Field(discriminator="name")]
    aggregation: Literal["none"]
    metrics: list[Metric] = Field(min_length=1)
    folds: FoldsConfig
    interval: IntervalConfig

    @model_validator(mode="after")
    def _parts_fit(self) -> Protocol:
        wanted = ("newton_cg", "nested") if self.head.name == "logistic_regression" else ("none", "none")
        if (self.fit.name, self.selection.name) != wanted:
            raise ValueError(f"head {self.head.name} goes with fit {wanted[0]} and selection {wanted[1]}; write those")
        if self.needs_text and self.scaler != "none":
            raise ValueError("head zero_shot goes with scaler none: its sounds and texts have a space of their own")
        return self

    @property
    def id(self) -> str:
        """Name and version, as one asks for it: `lr_nested@1`."""
        return f"{self.name}@{self.version}"

    @property
    def needs_text(self) -> bool:
        """Whether only encoders that know texts can be scored; others have no row under it."""
        return isinstance(self.head, ZeroShotConfig)

    @property
    def hash(self) -> str:
        """SHA-256 of everything that bears on a score (all but title and description), 64 hex digits."""
        parts = self.model_dump(mode="json", exclude={"title", "description"})
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def list_protocols() -> dict[str, Path]:
    """The shipped protocols: id to file."""
    found = {}
    for path in sorted((files.shipped("recipes") / "probe").glob("*.yaml")):
        if match := re.fullmatch(r"(\w+)\.(\d+)\.yaml", path.name):
            found[f"{match[1]}@{match[2]}"] = path
    return found


def load_protocol(name: str) -> Protocol:
    """The shipped protocol `name`, such as `lr_nested@1`, or one of your own from the path of a YAML file.

    Raises:
        UsageError: there is no such protocol; the message names the nearest.
        RecipeError: the file does not say a protocol.
    """
    if name.endswith((".yaml", ".yml")):
        return read_protocol(Path(name))
    shipped = list_protocols()
    if name not in shipped:
        # Compared without versions too, so that `lr_nested` finds `lr_nested@1`.
        near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5) or [
            known for known in shipped if known.split("@")[0] == name.split("@")[0]
        ]
        hint = f"did you mean {near[-1]}?" if near else "choose another"
        raise UsageError(f"there is no protocol {name}; {hint} (there are {', '.join(shipped)})")
    return read_protocol(shipped[name])


def read_protocol(path: Path) -> Protocol:
    """The protocol that a YAML file says (raises `RecipeError` with every fault and its line)."""
    document = read_yaml(path)
    try:
        return Protocol.model_validate(document.value)
    except ValidationError as error:
        raise RecipeError(
            [f"{_where(document, path)}: {path}: {what}" for path, what in problems(Protocol, error)]
        ) from error


def _where(document: Document, path: str) -> str:
    return document.where(*(int(part) if part.isdigit() else part for part in path.split(".")))

"""What an evaluation leaves behind: pydantic records of finite numbers, the content of `report.json`.

Accuracies are shares between 0 and 1. Imports neither torch nor NumPy, so that a report is read in an instant.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["pretrained", "untrained", "statistics"]


class Record(BaseModel):
    """A frozen part of a report: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class FoldScore(Record):
    """One round: trained on the other folds, tested on this one."""

    name: str
    n: int
    """Test items."""
    accuracy: float
    macro_accuracy: float
    """Mean over the classes of this fold of the accuracy within the class."""
    strength: float | None
    """The C chosen within the training folds, where one was chosen."""


class Score(Record):
    """One embedding under one protocol on one split."""

    protocol: str
    protocol_hash: str
    split_hash: str
    seed: int
    n: int
    """Test items of all folds."""
    accuracy: float
    """Mean over folds."""
    interval: tuple[float, float]
    """Of the accuracy, at the protocol's level: bootstrap over test items in whole groups, within folds."""
    macro_accuracy: float
    """Mean over folds."""
    folds: list[FoldScore]
    predictions: list[int]
    """For each item of the data, the index of the class predicted when it was tested; -1 where it never was."""


class Health(Record):
    """Whether an embedding uses its dimensions."""

    rankme: float
    """Effective rank (Garrido et al. 2023) of the embeddings of the data."""
    deviation: float
    """Mean deviation of the L2-normalised embeddings times sqrt(D): 1 when they fill the sphere, 0 when collapsed."""
    uniformity: float
    """Wang and Isola 2020, on at most 2,000 items: 0 when collapsed, more negative is better."""


class Row(Record):
    """One line of the table."""

    kind: Kind
    name: str
    """The model's path, or what the baseline is."""
    models: list[int]
    """The report's model that this row is, or the models of which it is the untrained twin."""
    seed: int | None
    """Of random weights."""
    sha256: str | None
    """Of the encoder bundle."""
    dim: int
    """Size of the embedding."""
    scores: dict[str, Score]
    """Protocol id to score; zero-shot scores no baseline."""
    health: Health


class Gain(Record):
    """How much better a pretrained encoder is than its untrained twins, in accuracy."""

    model: int
    protocol: str
    pretrained: float
    untrained: float
    """Mean over seeds."""
    untrained_std: float
    """Deviation over seeds (n - 1); 0 for a single one."""
    gain: float
    interval: tuple[float, float]
    """Paired bootstrap over test items in whole groups, within folds."""


class DataFacts(Record):
    """What the scores were measured on."""

    source: str
    n: int
    classes: list[str]
    ids: list[str]
    labels: list[int]
    """Index into `classes` for each item."""
    folds: list[str]
    """The names of the test folds."""
    split_hash: str
    fingerprint: str
    """SHA-256 over what is read and what is to be predicted: files with size and date, labels, groups."""
    chance: float
    """Accuracy of guessing any class with equal probability."""
    majority: float
    """Mean over folds of the accuracy of always saying the most frequent class of the training folds."""
    failed: list[str]
    """Files that could not be decoded and were left out, with the reason."""


class ModelFacts(Record):
    """Which encoder, and how it was made."""

    path: str
    sha256: str
    dim: int
    recipe: dict[str, Any]
    statistics: dict[str, Any]
    about: dict[str, Any]
    """The rest of the bundle's metadata: versions, data, training summary."""


class EvaluationReport(Record):
    """Everything one call of `evaluate` measured."""

    audiossl: str
    """Version of the package."""
    made: str
    """UTC, ISO 8601."""
    data: DataFacts
    models: list[ModelFacts]
    protocols: dict[str, dict[str, Any]]
    """Protocol id to the whole protocol."""
    rows: list[Row]
    gains: list[Gain]

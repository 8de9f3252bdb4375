"""What an evaluation leaves behind: pydantic records of finite numbers, the content of `report.json`.

Values are shares between 0 and 1 unless `metric_names` says otherwise. Imports neither torch nor NumPy, so that a
report is read in an instant.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from audiossl.data.targets import Target

Kind = Literal["pretrained", "untrained", "statistics"]


class Record(BaseModel):
    """A frozen part of a report: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class FoldScore(Record):
    """One round: trained on the other folds, tested on this one."""

    name: str
    n: int
    """Test items."""
    metrics: dict[str, float]
    chosen: dict[str, float] = {}
    """What was chosen without the test items: `C`, `epoch`, `learning_rate` ..."""


class Point(Record):
    """One budget of labels: how well the probe does with so few."""

    at: float
    """Items per class, or the share of the training items."""
    value: float
    """Mean over draws of the score's metric."""
    draws: list[float]


class Score(Record):
    """One embedding under one protocol on one split."""

    protocol: str
    protocol_hash: str
    split_hash: str
    seed: int
    embedding_hash: str = ""
    """Of what was scored: the SHA-256 of the encoder bundle, or of all that decides a baseline."""
    n: int
    """Test items of all folds."""
    metric: str
    """What `value` is; see `metric_names`."""
    value: float
    """Mean over folds, and over repeats or draws of labels where there are several."""
    interval: tuple[float, float] | None
    """Of the value, at the protocol's level: bootstrap over test items in whole groups, within folds."""
    metrics: dict[str, float]
    """Mean over folds of everything measured, `metric` among them."""
    folds: list[FoldScore]
    """Of several repeats, the mean of each fold."""
    repeats: list[float] = []
    """The value of each repeat or draw of labels, where there are several."""
    curve: list[Point] = []
    """The value at growing budgets of labels."""
    notes: list[str] = []
    """What a reader must know of it, in sentences: budgets left out, items that do not count."""
    predictions: list[int] = []
    """Of the first repeat: for each item of the data, the index of the class predicted when it was tested; -1 where it
    never was. Empty where items have no one class."""
    right: list[float] = []
    """For each item of the data, the share of repeats or draws in which it was predicted rightly; -1 where it never
    was tested. Empty where items are not right or wrong."""
    by_class: list[float | None] = []
    """Where items have several labels: the average precision of each class, mean over folds and repeats; None for a
    class that no tested item has. Empty where items are right or wrong, which says it all."""
    draws: list[float] = []
    """The value on each bootstrap draw of the test items, where it is no mean over them: encoders on one split have the
    same draws, so a paired comparison subtracts them."""
    test_selected: bool = False
    """The protocol chose something on the test items: not comparable with honest scores, marked in every table."""


class Health(Record):
    """Whether an embedding uses its dimensions."""

    rankme: float
    """Effective rank (Garrido et al. 2023) of the embeddings of the data."""
    deviation: float
    """Mean deviation of the L2-normalised embeddings times sqrt(D): 1 when they fill the sphere, 0 when collapsed."""
    uniformity: float
    """Wang and Isola 2020, on at most 2,000 items: 0 when collapsed, more negative is better."""
    alignment: float | None
    """Mean squared distance of two normalised embeddings of one class and different groups: Wang and Isola's, with
    these for the two views of one example. 0 is best, or collapsed. None where no two items are such a pair."""


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
    """How much better a pretrained encoder is than its untrained twins."""

    model: int
    protocol: str
    metric: str
    pretrained: float
    untrained: float
    """Mean over seeds."""
    untrained_std: float
    """Deviation over seeds (n - 1); 0 for a single one."""
    gain: float
    interval: tuple[float, float] | None
    """Paired bootstrap over test items in whole groups, within folds."""
    scratch: str | None = None
    """The protocol that trained the same architecture from scratch, where `untrained` is its score."""


class DataFacts(Record):
    """What the scores were measured on."""

    source: str
    task: str = ""
    """Of the manifest."""
    target: Target
    noun: str = "sound"
    """What an item is called."""
    n: int
    classes: list[str]
    ids: list[str]
    groups: list[int]
    """Equal numbers mark one group."""
    labels: list[list[int]]
    """For each item the indices into `classes`: exactly one of them where the target is single."""
    folds: list[str]
    """The names of the test folds."""
    split_hash: str
    fingerprint: str
    """SHA-256 over what is read and what is to be predicted: files with size and date, labels, groups."""
    tested: list[list[int]]
    """For each fold the items it tests."""
    floors: dict[str, dict[str, float]]
    """What needs no embedding, by name: `chance`, `most frequent class`; metric to value."""
    left_out: int = 0
    """Rows that the data set lists and this copy of it, known to be partial, has no file for; nothing counts them."""
    failed: list[str]
    """Files that could not be decoded and were left out, with the reason."""
    duplicates: list[str] = []
    """Examples that stand on two sides of a split, where that was allowed: both files and the split."""

    @property
    def nouns(self) -> str:
        """What several items are called."""
        return f"{self.noun}s"


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
    metrics: dict[str, str]
    """Protocol id to the metric that its scores show."""
    rows: list[Row]
    gains: list[Gain]

"""The parts that a protocol is put together from: features, heads, fits, selections, budgets of labels.

These Configs have no defaults: a protocol's file states every number. Imports neither torch nor scikit-learn.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from audiossl.evaluation.metric_names import CLUSTERING, RETRIEVAL
from audiossl.evaluation.protocol.base import HeadConfig
from audiossl.evaluation.protocol.end_to_end import AdamWConfig, EndToEndConfig, ExampleFeatures
from audiossl.evaluation.protocol.gradient import (
    AdamConfig,
    BestEpochConfig,
    LastEpochConfig,
    LinearConfig,
    MlpConfig,
    RandomGridConfig,
    SgdConfig,
)
from audiossl.recipe.base import Config, Count, Positive

Share = Annotated[float, Field(gt=0, le=1)]


class ClipFeatures(Config):
    """One embedding per item, the mean over its windows."""

    unit: Literal["clip"]


class PatchFeatures(Config):
    """Short windows of an item's spectrogram, each with an embedding of its own.

    A head learns from one random patch of each item per epoch, and an item's scores are the mean over its patches.
    """

    unit: Literal["patch"]
    window_s: Positive | Literal["crop"]
    """`crop`: as long as the crops that the encoder was trained on."""
    hop_s: Positive
    """Between the patches that are scored; those that do not fit whole are left out."""
    learning_hop_s: Positive
    """Between the patches of which one is drawn to learn from, where they are embedded in advance."""
    batch_norm: Literal["eval", "train"]
    """`eval`: the encoder is frozen, its patches are embedded once. `train`: its weights are frozen but it is left in
    training mode, so that its BatchNorm takes the statistics of each batch and keeps moving its own; every patch is
    embedded anew in every epoch, and drawn from any frame on."""


class FrameFeatures(Config):
    """Embeddings at regular times of an item, for targets with onset and offset."""

    unit: Literal["frame"]
    hop_s: Positive


Features = Annotated[ClipFeatures | PatchFeatures | FrameFeatures | ExampleFeatures, Field(discriminator="unit")]


class LogisticRegressionConfig(HeadConfig):
    """Logistic regression with an L2 penalty on the weights and none on the intercepts.

    Multinomial for one label per item; one against the rest for several.
    """

    goes_with = frozenset({("newton_cg", "nested"), ("newton_cg", "fixed")})
    takes = frozenset(("clip", "frame"))
    name: Literal["logistic_regression"] = "logistic_regression"


class KnnConfig(HeadConfig):
    """A vote of the nearest training items by cosine similarity."""

    goes_with = frozenset({("none", "none")})
    name: Literal["knn"] = "knn"
    k: Count
    temperature: Positive | None
    """A neighbour's vote weighs exp(similarity / temperature); null is a plain majority."""


class PrototypeConfig(HeadConfig):
    """The class whose mean training item is nearest by cosine similarity.

    Embeddings are scaled and L2-normalised, then averaged (Snell et al. 2017; CL2N of Wang et al. 2019).
    """

    goes_with = frozenset({("none", "none")})
    name: Literal["prototype"] = "prototype"


class KMeansConfig(HeadConfig):
    """k-means with as many clusters as classes, on L2-normalised embeddings of the tested items; sees no label."""

    goes_with = frozenset({("none", "none")})
    learns = False
    measures = CLUSTERING
    name: Literal["kmeans"] = "kmeans"
    restarts: Count
    """Starts by k-means++; the one with the least inertia counts."""
    max_iterations: Count


class RetrievalConfig(HeadConfig):
    """Each tested item asks for those like it among the tested items of other groups, ranked by cosine similarity.

    What shares a class with the query is relevant.
    """

    goes_with = frozenset({("none", "none")})
    learns = False
    measures = RETRIEVAL
    name: Literal["retrieval"] = "retrieval"


Prompt = Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")]
"""A text with one `{}` in it, for the name of a class."""


class ZeroShotConfig(HeadConfig):
    """The class whose name is most like the item, in the space that the encoder shares with texts."""

    goes_with = frozenset({("none", "none")})
    learns = False
    name: Literal["zero_shot"] = "zero_shot"
    prompts: list[Prompt] = Field(min_length=1)
    """What is said of each class; the embeddings are averaged."""
    spaces: str
    """Characters of a class's name that stand for a space."""


Head = Annotated[
    LogisticRegressionConfig
    | LinearConfig
    | MlpConfig
    | EndToEndConfig
    | KnnConfig
    | PrototypeConfig
    | KMeansConfig
    | RetrievalConfig
    | ZeroShotConfig,
    Field(discriminator="name"),
]


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


Fit = Annotated[NewtonConfig | AdamConfig | AdamWConfig | SgdConfig | NoFitConfig, Field(discriminator="name")]


class NestedConfig(Config):
    """Choose C within the training folds of each round: leave one out in turn, count what is right, refit on all.

    Among equals the smallest C wins. Where training has fewer than two folds of its own, `folds.when_missing`
    stratified grouped ones are made of it. Where the data set brings validation items, C is chosen on these, and the
    head is fitted on the training items alone.
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


class FixedConfig(Config):
    """C is said in advance."""

    name: Literal["fixed"] = "fixed"
    strength: Positive


class NoSelectionConfig(Config):
    """Nothing is chosen."""

    name: Literal["none"] = "none"


Selection = Annotated[
    NestedConfig | FixedConfig | BestEpochConfig | LastEpochConfig | RandomGridConfig | NoSelectionConfig,
    Field(discriminator="name"),
]


class BudgetsConfig(Config):
    """Few labels: what is learnt from is drawn from the training items several times, test items stay whole.

    Drawn per class, from as many groups as can be, each smaller budget within the larger ones of the same draw.
    """

    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field(min_length=1)
    """One draw for each."""

    @model_validator(mode="after")
    def _in_order(self) -> BudgetsConfig:
        budgets, headline = self.budgets, self.headline  # type: ignore[attr-defined]
        if budgets != sorted(set(budgets)):
            raise ValueError("write the budgets in ascending order, each once")
        if headline not in budgets:
            raise ValueError(f"headline {headline:g} is not one of the budgets; write one of them")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("write each seed once")
        return self


class ShotsConfig(BudgetsConfig):
    """So many labelled items of each class; a class that has fewer gives all."""

    by: Literal["shots"]
    budgets: list[Count] = Field(min_length=1)
    headline: Count
    """The budget whose value is the score."""


class SharesConfig(BudgetsConfig):
    """Such a share of the training items, classes in proportion, at least one item of each."""

    by: Literal["shares"]
    budgets: list[Share] = Field(min_length=1)
    headline: Share
    """The budget whose value is the score."""


Labels = Annotated[ShotsConfig | SharesConfig, Field(discriminator="by")]


class FoldsConfig(Config):
    """The items' own folds, each in turn the test; or their split `test`; or folds made here."""

    when_missing: Annotated[int, Field(ge=2)]
    """Stratified grouped folds for items that bring neither folds nor a split `test`."""


class IntervalConfig(Config):
    """Bootstrap over test items in whole groups, within folds."""

    level: Annotated[float, Field(gt=0, lt=1)]
    draws: Count

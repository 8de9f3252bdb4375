"""Heads trained by gradient descent, and how the moment to stop is chosen. Imports neither torch nor scikit-learn.

Where a value may be a list, the selection `random_grid` draws points from all combinations of the lists.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.evaluation.protocol.base import HeadConfig
from audiossl.recipe.base import Config, Count, NonNegative, Positive

Xavier = Literal["uniform", "normal"]
Part = Annotated[float, Field(gt=0, lt=1)]

EPOCHS = frozenset((fit, selection) for fit in ("adam", "sgd") for selection in ("best_epoch", "last_epoch"))
GRID = frozenset((fit, "random_grid") for fit in ("adam", "sgd"))
GRID_FIELDS = ("hidden_layers", "xavier", "learning_rate")
"""The fields of heads and fits that may be lists of candidates, in the order in which the grid runs through them."""


class LinearConfig(HeadConfig):
    """One linear layer; weights and intercepts start uniform within 1 / sqrt(D), as torch makes them."""

    goes_with = EPOCHS | GRID
    takes = frozenset(("clip", "patch"))
    name: Literal["linear"] = "linear"
    layer_norm: bool
    """A LayerNorm in front, its scale and shift learnt."""


class MlpConfig(HeadConfig):
    """Hidden layers of linear map, BatchNorm, dropout and ReLU, and a linear map to the classes."""

    goes_with = EPOCHS | GRID
    takes = frozenset(("clip", "patch"))
    name: Literal["mlp"] = "mlp"
    hidden_layers: Count | list[Count]
    width: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]
    xavier: Xavier | list[Xavier]
    """How weights start (Glorot and Bengio 2010), with the gain of what stands before: 1 at the input, sqrt(2) after a
    ReLU. Intercepts start uniform within 1 / sqrt(their inputs)."""


class AdamConfig(Config):
    """Adam (Kingma and Ba 2015), betas 0.9 and 0.999."""

    name: Literal["adam"] = "adam"
    learning_rate: Positive | list[Positive]
    weight_decay: NonNegative
    """Added to the gradient, as an L2 penalty."""
    batch_size: Count
    epochs: Count
    loss_mean: Literal["batch", "batch_and_classes"]
    """What the cross-entropy of one label per item is averaged over; that of several labels always over both."""


class SgdConfig(Config):
    """Stochastic gradient descent on the mean over the batch."""

    name: Literal["sgd"] = "sgd"
    learning_rate: Positive | list[Positive]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    """Added to the gradient, as an L2 penalty."""
    batch_size: Count
    epochs: Count
    milestones: list[Count]
    """After so many epochs the learning rate is divided by ten."""


class EpochChoice(Config):
    """The best epoch by the metric that the score shows.

    It is measured on the validation items that the data set brings, otherwise on those that `valid` names.
    """

    valid: Part | Literal["next_fold", "test"]
    """A share of the training items, drawn at random, of all classes where that can be; or the test fold that comes
    next, which is not learnt from; or THE TEST ITEMS THEMSELVES, as some evaluation kits have it."""
    validate_every: Count
    """Epochs."""
    patience: Count | None
    """Training ends when so many validations in a row brought nothing; null trains all epochs."""
    ties: Literal["first", "last"]
    """Which of equally good epochs is taken; with `last`, an equal validation counts as having brought something."""


class BestEpochConfig(EpochChoice):
    """The best epoch is chosen anew in each round."""

    name: Literal["best_epoch"] = "best_epoch"


class LastEpochConfig(Config):
    """All epochs are trained and the last is taken; nothing is chosen."""

    name: Literal["last_epoch"] = "last_epoch"


class RandomGridConfig(EpochChoice):
    """Points drawn from the grid of all values that are lists, each trained to its best epoch in the first round.

    The best point is used in every round. Where the first round chooses on the next fold, that fold's labels have
    chosen the point by which it is later tested: a leak of the original, kept.
    """

    name: Literal["random_grid"] = "random_grid"
    points: Count
    """How many are drawn, without repetition; all where there are fewer."""

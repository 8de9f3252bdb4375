"""What all heads of a protocol share. Imports neither torch nor scikit-learn."""

from __future__ import annotations

from typing import ClassVar

from audiossl.evaluation.metric_names import CLUSTERING, METRICS, RETRIEVAL, Metric
from audiossl.recipe.base import Config

Parts = frozenset[tuple[str, str]]


class HeadConfig(Config):
    """What turns features into scores of classes."""

    goes_with: ClassVar[Parts]
    """The pairs of fit and selection that can make it."""
    takes: ClassVar[frozenset[str]] = frozenset(("clip",))
    """The units of features that it can be given."""
    learns: ClassVar[bool] = True
    """Whether it is given labels of training items."""
    measures: ClassVar[frozenset[Metric]] = METRICS - CLUSTERING - RETRIEVAL
    """The metrics that can be had of it."""

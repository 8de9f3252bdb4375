"""A protocol: features x scaler x head x fit x selection x aggregation x metrics, and its hash.

The same embeddings differ by five points between protocols, so its name and hash are stored with every score.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from audiossl.data.targets import Target
from audiossl.evaluation.metric_names import Metric
from audiossl.evaluation.protocol.detection import DetectionConfig
from audiossl.evaluation.protocol.gradient import GRID_FIELDS
from audiossl.evaluation.protocol.parts import (
    Features,
    Fit,
    FoldsConfig,
    Head,
    IntervalConfig,
    Labels,
    PatchFeatures,
    Selection,
    ZeroShotConfig,
)
from audiossl.recipe.base import Config, Count


class Protocol(Config):
    """One way to score an embedding."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Count
    title: str
    """A few letters for the head of a table's column."""
    description: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    """Of made folds, of the bootstrap, and of whatever a fit draws."""
    features: Features
    scaler: Literal["standard", "layernorm", "l2", "none"]
    """`standard`: zero mean and unit variance over the training items of each fit. `layernorm`: zero mean and unit
    variance over each embedding's own dimensions. `l2`: each embedding of length 1."""
    head: Head
    fit: Fit
    selection: Selection
    aggregation: Literal["softmax_mean", "none"]
    """`softmax_mean`: an item's class probabilities are the mean over those of its patches or crops."""
    detection: DetectionConfig | None = None
    """Of features of unit frame: how their scores become events."""
    metrics: dict[Target, list[Metric]] = Field(min_length=1)
    """What is measured for each kind of target that can be scored; the first is shown where the data set names none."""
    folds: FoldsConfig
    labels: Labels | None = None
    """How many labels are learnt from; all of them where left out."""
    repeats: Count = 1
    """How often everything random is drawn anew, with seeds `seed`, `seed + 1` ..."""
    test_selected: bool = False
    """Something is chosen on the test items, as the original does it: every table marks such a score."""
    interval: IntervalConfig

    @field_validator("metrics")
    @classmethod
    def _some(cls, metrics: dict[Target, list[Metric]]) -> dict[Target, list[Metric]]:
        if empty := [target for target, names in metrics.items() if not names]:
            raise ValueError(f"{empty[0]}: name at least one metric")
        return metrics

    @model_validator(mode="after")
    def _parts_fit(self) -> Protocol:
        if (self.fit.name, self.selection.name) not in self.head.goes_with:
            pairs = " or ".join(f"fit {fit} and selection {select}" for fit, select in sorted(self.head.goes_with))
            raise ValueError(f"head {self.head.name} goes with {pairs}; write those")
        if self.needs_text and self.scaler != "none":
            raise ValueError("head zero_shot goes with scaler none: examples and texts have a space of their own")
        return self

    @model_validator(mode="after")
    def _patches_fit(self) -> Protocol:
        unit = self.features.unit
        if unit not in self.head.takes:
            raise ValueError(f"head {self.head.name} takes features of unit {' or '.join(sorted(self.head.takes))}")
        if (unit in ("patch", "sound")) != (self.aggregation == "softmax_mean"):
            raise ValueError("features of unit patch or sound go with aggregation softmax_mean, the others with none")
        if isinstance(self.features, PatchFeatures) and self.features.batch_norm == "train" and self.scaler != "none":
            raise ValueError("with batch_norm train embeddings move with the encoder; write scaler none")
        return self

    @model_validator(mode="after")
    def _events_fit(self) -> Protocol:
        frames = self.features.unit == "frame"
        if frames != (self.detection is not None):
            raise ValueError("features of unit frame go with detection, the others without")
        if frames != ("events" in self.metrics) or (frames and len(self.metrics) > 1):
            raise ValueError("features of unit frame score events, and these alone; the others score none")
        return self

    @model_validator(mode="after")
    def _choice_fits(self) -> Protocol:
        lists = [f"head.{name}" for name, value in self.head if isinstance(value, list) and name in GRID_FIELDS]
        lists += [f"fit.{name}" for name, value in self.fit if isinstance(value, list) and name in GRID_FIELDS]
        if lists and self.selection.name != "random_grid":
            raise ValueError(f"{lists[0]} is a list; write one value, or selection random_grid")
        if self.selection.name == "random_grid" and not lists:
            raise ValueError(
                "selection random_grid chooses among lists of values; write one, such as fit.learning_rate"
            )
        if (getattr(self.selection, "valid", None) == "test") != self.test_selected:
            raise ValueError("test_selected is true when the selection's valid is test, and only then")
        return self

    @model_validator(mode="after")
    def _metrics_fit(self) -> Protocol:
        known = self.head.measures
        asked = [name for names in self.metrics.values() for name in names]
        if alien := [name for name in asked if name not in known]:
            raise ValueError(f"head {self.head.name} does not measure {alien[0]}; it does {', '.join(sorted(known))}")
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> Protocol:
        if self.labels is None:
            return self
        if not self.head.learns:
            raise ValueError(f"head {self.head.name} learns from no label; leave labels out")
        if self.selection.name not in ("fixed", "last_epoch", "none"):
            raise ValueError(f"of few labels none are left to choose on; selection {self.selection.name} needs them")
        if self.repeats > 1:
            raise ValueError("labels are drawn anew for each of their seeds; leave repeats out")
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
    def needs_time(self) -> bool:
        """Whether it looks at parts of an item's time: what has no length in time cannot be scored."""
        return self.features.unit in ("patch", "frame")

    @property
    def hash(self) -> str:
        """SHA-256 of everything that bears on a score (all but title and description), 64 hex digits."""
        parts = self.model_dump(mode="json", exclude={"title", "description"})
        # A part that is left out leaves no trace, so that parts thought of later change no older protocol.
        parts = {name: part for name, part in parts.items() if part is not None}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

"""The cases of the family `distance`."""

from __future__ import annotations

from audiossl.recipe.methods import DistanceWeightedConfig, MarginContrastiveConfig, TripletConfig
from tests.methods.case import Case

HEAD = "64 bn relu 32"

CASES: list[Case] = [
    Case(MarginContrastiveConfig(head=HEAD), gain=0.3),
    Case(MarginContrastiveConfig(head=HEAD, margin=1.0, normalise=True), gain=0.3, name="normalised"),
    Case(TripletConfig(head=HEAD, mining="all"), gain=0.3, name="all"),
    Case(TripletConfig(head=HEAD, mining="all", active_only=True), gain=0.3, name="active"),
    # On the sphere the hardest negatives narrow the projection to a cone, which the monitors rightly flag.
    Case(TripletConfig(head=HEAD, mining="batch_hard", squared=False, normalise=False), gain=0.3, name="batch_hard"),
    Case(TripletConfig(head=HEAD, mining="batch_hard", margin="soft", normalise=False), gain=0.3, name="soft"),
    Case(TripletConfig(head=HEAD), gain=0.3),
    Case(DistanceWeightedConfig(head=HEAD)),
]

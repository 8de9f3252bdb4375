"""The cases of the family `clustering`."""

from __future__ import annotations

from audiossl.recipe.methods import DeepClusterConfig, SelaConfig, SwavConfig
from tests.methods.case import Case

HEAD = "64 bn relu 32"
SWAV = SwavConfig(head=HEAD, prototypes=32, queue=0, freeze_steps=0, short_crops=0)
QUEUE = SWAV.model_copy(update={"queue": 256, "queue_start": 2.0, "short_crops": 2})

CASES: list[Case] = [
    Case(SWAV, gain=0.3),
    Case(
        SWAV.model_copy(update={"queue": 256, "queue_start": 2.0, "short_crops": 2}), gain=0.3, name="queue-multicrop"
    ),
    Case(DeepClusterConfig(head=HEAD, clusters=32, heads=3, short_crops=0)),
    Case(SelaConfig(clusters=32, updates=10)),
]

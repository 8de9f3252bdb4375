"""The cases of the family `combined`."""

from __future__ import annotations

from audiossl.recipe.methods import CombinedConfig, Part, RotationConfig, SimClrConfig
from tests.methods.case import Case
from tests.methods.pictures import PICTURES

CASES: list[Case] = [
    Case(
        CombinedConfig(
            parts=[
                Part(method=SimClrConfig(head="64 bn relu 32")),
                Part(weight=0.5, method=RotationConfig(hidden="64 bn relu")),
            ]
        ),
        world=PICTURES,
    ),
]

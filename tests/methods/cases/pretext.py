"""The cases of the family `pretext`."""

from __future__ import annotations

from audiossl.recipe.methods import RotationConfig, TransformsConfig
from tests.methods.case import Case
from tests.methods.pictures import PICTURES

CASES: list[Case] = [
    Case(RotationConfig(hidden="64 bn relu"), world=PICTURES),
    Case(TransformsConfig(hidden="64 bn relu"), world=PICTURES),
]

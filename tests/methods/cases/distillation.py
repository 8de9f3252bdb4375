"""The cases of the family `distillation`."""

from __future__ import annotations

from audiossl.recipe.methods import ByolConfig, SimSiamConfig
from tests.methods.case import Case

BYOL = ByolConfig(head="64 bn relu 32", predictor="64 bn relu 32", momentum=0.9)
SIMSIAM = SimSiamConfig(head="64 bn relu 64 bn_plain", predictor="32 bn relu 64")

CASES: list[Case] = [
    Case(BYOL, gain=0.3),
    Case(SIMSIAM),
]

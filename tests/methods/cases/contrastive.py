"""The cases of the family `contrastive`."""

from __future__ import annotations

from audiossl.recipe.methods import SimClrConfig
from tests.methods.case import Case

CASES: list[Case] = [
    Case(SimClrConfig(head="64 bn relu 32"), gain=0.3),
]

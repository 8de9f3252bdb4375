"""The cases of the family `redundancy`."""

from __future__ import annotations

from audiossl.recipe.methods import BarlowTwinsConfig, VicRegConfig
from tests.methods.case import Case

CASES: list[Case] = [
    Case(BarlowTwinsConfig(head="64 bn relu 64"), idle=frozenset({"head.3.bias"})),
    Case(VicRegConfig(head="64 bn relu 64"), gain=0.3),
]

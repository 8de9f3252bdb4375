"""The cases of the family `contrastive`."""

from __future__ import annotations

from audiossl.recipe.methods import SimClrConfig
from audiossl.recipe.methods.contrastive import DebiasedConfig, DecoupledConfig, HardNegativesConfig
from tests.methods.case import Case

HEAD = "64 bn relu 32"

CASES: list[Case] = [
    Case(SimClrConfig(head=HEAD), gain=0.3),
    Case(SimClrConfig(head=HEAD, variant=DecoupledConfig()), gain=0.3, name="decoupled"),
    Case(SimClrConfig(head=HEAD, variant=DecoupledConfig(sigma=0.5)), gain=0.3, name="weighted"),
    Case(SimClrConfig(head=HEAD, variant=DebiasedConfig()), gain=0.3, name="debiased"),
    Case(SimClrConfig(head=HEAD, variant=HardNegativesConfig()), gain=0.3, name="hard_negatives"),
]

"""The cases of the family `contrastive`."""

from __future__ import annotations

from audiossl.recipe.methods import ColaConfig, NpidConfig, SimClrConfig
from audiossl.recipe.methods.contrastive import (
    CosineSimilarityConfig,
    DebiasedConfig,
    DecoupledConfig,
    HardNegativesConfig,
)
from tests.methods.case import Case

HEAD = "64 bn relu 32"

CASES: list[Case] = [
    Case(SimClrConfig(head=HEAD), gain=0.3),
    Case(SimClrConfig(head=HEAD, variant=DecoupledConfig()), gain=0.3, name="decoupled"),
    Case(SimClrConfig(head=HEAD, variant=DecoupledConfig(sigma=0.5)), gain=0.3, name="weighted"),
    Case(SimClrConfig(head=HEAD, variant=DebiasedConfig()), gain=0.3, name="debiased"),
    Case(SimClrConfig(head=HEAD, variant=HardNegativesConfig()), gain=0.3, name="hard_negatives"),
    Case(NpidConfig(head="32", negatives=2000)),
    Case(NpidConfig(head="32", negatives=256), name="sampled"),
    Case(NpidConfig(head="32", negatives=256, form="nce"), name="nce"),
    Case(ColaConfig(head="32")),
    Case(ColaConfig(head="32", similarity=CosineSimilarityConfig()), name="cosine"),
]

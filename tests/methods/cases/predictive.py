"""The cases of CPC and of multi-format contrast, each in a world of its own."""

from __future__ import annotations

from audiossl.recipe.methods import CpcConfig, MultiFormatConfig
from tests.methods.case import Case
from tests.methods.formats import FORMATS
from tests.methods.sequences import SEQUENCES

CASES: list[Case] = [
    Case(CpcConfig(steps=6, negatives_from="sequence"), world=SEQUENCES, gain=0.4, name="sequence"),
    Case(CpcConfig(steps=6, negatives_from="batch"), world=SEQUENCES, gain=0.5, name="batch"),
    Case(CpcConfig(steps=6, negatives_from="both"), world=SEQUENCES, gain=0.5, name="both"),
    Case(MultiFormatConfig(head="64 bn relu 32"), world=FORMATS, gain=0.3),
]

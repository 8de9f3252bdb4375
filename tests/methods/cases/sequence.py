"""The cases of the methods over frames and pairs: CPC, multi-format, CLIP."""

from __future__ import annotations

from audiossl.recipe.methods.clip import ClipConfig
from tests.methods.case import Case
from tests.methods.words import SMALL, WORDS

CASES: list[Case] = [
    Case(ClipConfig(partner=SMALL, head="64 bn relu 32", text_head="32"), world=WORDS, gain=0.5),
]

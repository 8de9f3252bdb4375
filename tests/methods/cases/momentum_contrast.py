"""The cases of MoCo."""

from __future__ import annotations

from audiossl.recipe.methods import MocoConfig, MocoV3Config
from tests.methods.case import Case

MOCO = MocoConfig(head="64 relu 32", queue=300, momentum=0.95)
MOCO_V3 = MocoV3Config(head="64 bn relu 32 bn_plain", predictor="64 bn relu 32", momentum=0.95)

CASES: list[Case] = [
    Case(MOCO, gain=0.3),
    Case(MOCO.model_copy(update={"symmetric": True}), gain=0.3, name="symmetric"),
    Case(MOCO_V3.model_copy(update={"teacher_norm": "average"}), gain=0.3, name="averaged norms"),
    Case(MOCO_V3, gain=0.3),
]

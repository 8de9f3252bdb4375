"""The cases of the family `pretext`."""

from __future__ import annotations

from audiossl.recipe.methods import JigsawConfig, RotationConfig, TransformsConfig
from tests.methods.case import Case
from tests.methods.pictures import MOSAICS, PICTURES

CASES: list[Case] = [
    Case(RotationConfig(hidden="64 bn relu"), world=PICTURES),
    Case(TransformsConfig(hidden="64 bn relu"), world=PICTURES),
    # Tiles of 8 pixels, not 7: the encoder's three strides make one column of each.
    Case(JigsawConfig(grid=(2, 2), permutations=8, gap=0, tile_head="64 bn relu", hidden="256 bn relu"), world=MOSAICS),
]

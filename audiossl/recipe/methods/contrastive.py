"""Contrastive methods: the other clips are pushed away. Defaults are the papers'."""

from __future__ import annotations

from typing import Literal

from audiossl.recipe.base import Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase


class SimClrConfig(MethodBase):
    """SimCLR (Chen et al. 2020): NT-Xent over the two views of a batch, as in Fonseca et al. 2021."""

    family = "contrastive"
    paper = "Chen et al. 2020"
    name: Literal["simclr"] = "simclr"
    temperature: Positive = 0.2
    head: HeadSpec = "512 bn relu 512"
    """Projection head; its output is L2-normalised."""

"""Distillation: no negatives; a network predicts what it, or its moving average, makes of the other view."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from audiossl.recipe.base import Auto
from audiossl.recipe.methods.base import HeadSpec, MethodBase, Momentum, TeacherNorm, head_dim


class Predicting(MethodBase):
    """A method with a predictor on top of its projection head."""

    name: str
    head: HeadSpec
    predictor: HeadSpec

    @model_validator(mode="after")
    def _one_size(self) -> Predicting:
        predicted, projected = head_dim(self.predictor), head_dim(self.head)
        if predicted != projected:
            raise ValueError(
                f"the predictor gives {predicted} values and the head {projected}, which are compared one by one; "
                f"write {projected} as the last number of predictor"
            )
        return self


class ByolConfig(Predicting):
    """BYOL (Grill et al. 2020): a network predicts what its own moving average, the teacher, makes of the other view.

    Without negatives. With BYOL-A's views and encoder, the method of Niizumi et al. 2021 and 2023 (BYOL-A).
    """

    family = "distillation"
    paper = "Grill et al. 2020"
    name: Literal["byol"] = "byol"
    head: HeadSpec = "4096 bn relu 256"
    predictor: HeadSpec = "4096 bn relu 256"
    """On top of the head; the teacher has none."""
    momentum: Momentum | Auto = "auto"
    """Of the teacher at the first step. The paper: 0.996 for 300 to 1000 epochs, 0.99 for 100."""
    momentum_final: Momentum = 1.0
    """Of the teacher at the end, reached along half a cosine; the same as `momentum` keeps it constant (BYOL-A)."""
    teacher_norm: TeacherNorm = "batch"
    """What the teacher's BatchNorm normalises by; `average` is EMAN (Cai et al. 2021)."""


class SimSiamConfig(Predicting):
    """SimSiam (Chen and He 2021): each view predicts the other, through which no gradient flows; no teacher."""

    family = "distillation"
    paper = "Chen and He 2021"
    name: Literal["simsiam"] = "simsiam"
    head: HeadSpec = "2048 bn relu 2048 bn relu 2048 bn_plain"
    predictor: HeadSpec = "512 bn relu 2048"
    """A bottleneck on top of the head; its learning rate stays at the recipe's, without warm-up or decay."""

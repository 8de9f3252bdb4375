"""Momentum contrast: the keys that a query is compared with come from a slowly moving teacher."""

from __future__ import annotations

from typing import Literal

from audiossl.recipe.base import Auto, Count, Positive
from audiossl.recipe.methods.base import HeadSpec, MethodBase, Momentum, TeacherNorm
from audiossl.recipe.methods.distillation import Predicting


class MocoConfig(MethodBase):
    """MoCo v2 (Chen et al. 2020): a teacher's embeddings of earlier batches wait in a queue to be the negatives.

    Prefer a head without BatchNorm: the norms of one device's batch tell query and key apart from the queue. The paper
    shuffles clips between devices against this; one device may use `teacher_norm: average` instead.
    """

    family = "contrastive"
    paper = "He et al. 2020, Chen et al. 2020"
    name: Literal["moco"] = "moco"
    temperature: Positive = 0.2
    head: HeadSpec = "2048 relu 128"
    queue: Count | Auto = "auto"
    """Embeddings remembered; 65536 in the paper, about a twentieth of its data. Any number, whatever the batch."""
    momentum: Momentum | Auto = "auto"
    """Of the teacher; 0.999 in the paper, whose run has a million steps."""
    teacher_norm: TeacherNorm = "batch"
    """What the teacher's BatchNorm normalises by; `average` is EMAN (Cai et al. 2021)."""
    symmetric: bool = False
    """Compare each view with the other's key, and average; the paper compares the first with the second only."""


class MocoV3Config(Predicting):
    """MoCo v3 (Chen et al. 2021): each view predicts its teacher's embedding of the other among those of the batch."""

    family = "contrastive"
    paper = "Chen et al. 2021"
    name: Literal["moco_v3"] = "moco_v3"
    head: HeadSpec = "4096 bn relu 256 bn_plain"
    predictor: HeadSpec = "4096 bn relu 256"
    temperature: Positive = 0.2
    momentum: Momentum | Auto = "auto"
    """Of the teacher at the first step; 0.99 in the paper."""
    momentum_final: Momentum = 1.0
    """Of the teacher at the end, reached along half a cosine."""
    teacher_norm: TeacherNorm = "batch"
    """What the teacher's BatchNorm normalises by; `average` is EMAN (Cai et al. 2021)."""

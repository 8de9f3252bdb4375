"""Every method as rows of the parametrised proofs, one file per family."""

from __future__ import annotations

from tests.methods.cases import (
    clustering,
    combined,
    contrastive,
    distance,
    distillation,
    generative,
    momentum_contrast,
    photos,
    predictive,
    pretext,
    redundancy,
    sequence,
)

CASES = [
    *contrastive.CASES,
    *momentum_contrast.CASES,
    *sequence.CASES,
    *predictive.CASES,
    *distance.CASES,
    *redundancy.CASES,
    *distillation.CASES,
    *clustering.CASES,
    *pretext.CASES,
    *generative.CASES,
    *combined.CASES,
    *photos.CASES,
]

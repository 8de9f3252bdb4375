"""Every method that takes pictures, in the worlds of the image wing; sections are those of the other cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from audiossl.recipe.methods import CpcConfig
from tests.methods.case import Case
from tests.methods.cases import (
    clustering,
    combined,
    contrastive,
    distance,
    distillation,
    generative,
    momentum_contrast,
    pretext,
    redundancy,
    sequence,
)
from tests.methods.photos import PHOTO_MOSAICS, PHOTO_PATTERNS, PHOTO_WORDS, PHOTOS, WALLS

OTHERS = {
    "jigsaw": PHOTO_MOSAICS,
    "clip": PHOTO_WORDS,
    # They learn from their own first guesses, which are blind in the other world.
    "byol": PHOTO_PATTERNS,
    "swav": PHOTO_PATTERNS,
    # They gain less there in 200 steps than a proof should ask for.
    "margin_contrastive": PHOTO_PATTERNS,
    "distance_weighted": PHOTO_PATTERNS,
}
"""Worlds of methods that cannot do with `photos`."""
GAINS = {"ss_gan": 0.1, "jigsaw": 0.15}
"""Of the methods that gain less than 0.2."""


def first_of_each(cases: Iterable[Case]) -> Iterable[Case]:
    """One case of every method: its variants differ in what the loss does with numbers."""
    return {case.config.name: case for case in reversed(list(cases))}.values()


def photo(case: Case) -> Case:
    """The same section, in colours."""
    generates = case in generative.CASES
    world = PHOTO_PATTERNS if generates else OTHERS.get(case.config.name, PHOTOS)
    return replace(case, world=world, gain=GAINS.get(case.config.name, 0.2), name="pictures")


CASES: list[Case] = [
    *(
        photo(case)
        for part in (
            *(contrastive, momentum_contrast, sequence, distance, redundancy),
            *(distillation, clustering, pretext, generative, combined),
        )
        for case in first_of_each(part.CASES)
    ),
    Case(CpcConfig(steps=2), world=WALLS, gain=0.15, lr=5e-3, name="pictures"),
]

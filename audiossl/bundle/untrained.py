"""The same architecture with random weights: the row that every evaluation is compared with."""

from __future__ import annotations

import hashlib

import torch

from audiossl import rng
from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import serialise
from audiossl.modality import modality_of
from audiossl.recipe.schema import Recipe


def untrained_bundle(recipe: Recipe, statistics: Statistics, seed: int) -> Bundle:
    """The encoder of `recipe` as it is before training: a pure function of `seed`.

    The global random state of torch is left as it was.
    """
    modality = modality_of(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(rng.key(seed, "untrained"))
        encoder = modality.build_encoder(recipe)
    training = {"steps": 0, "seed": seed}
    content = serialise(encoder=encoder, recipe=recipe, statistics=statistics, training=training)
    return Bundle(
        recipe=recipe,
        frontend=modality.build_frontend(recipe),
        encoder=encoder,
        statistics=statistics,
        sha256=hashlib.sha256(content).hexdigest(),
        about={"training": training},
    )

"""Every method learns the toy world within seconds, and every broken control is caught by the monitors."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.clustering import Swav
from audiossl.methods.contrastive import SimClr
from audiossl.recipe.methods import SimClrConfig, SwavConfig
from tests.methods import toy
from tests.methods.case import Case
from tests.methods.cases import CASES


class PositivesOnly(SimClr):
    """The control without negatives: nothing keeps the embedding spread."""

    def loss(self, views, index, at):
        z1, z2 = self.project(views)
        return {"loss": -F.cosine_similarity(z1, z2).mean()}


class SwavWithoutSinkhorn(Swav):
    """The control whose codes are the softmax of the scores: nothing keeps the prototypes equally full."""

    def codes(self, scores, at):
        return [(view.detach() / self.config.epsilon).softmax(dim=1) for view in scores[:2]]


CONTROLS = [
    pytest.param(Case(SimClrConfig(head="32")), PositivesOnly, id="positives only"),
    pytest.param(
        Case(SwavConfig(head="32", prototypes=32, queue=0, freeze_steps=0, short_crops=0)),
        SwavWithoutSinkhorn,
        id="swav without sinkhorn",
    ),
]


@lru_cache
def untrained(world: str) -> toy.Outcome:
    torch.manual_seed(0)
    place = toy.WORLDS[world]
    return toy.outcome(place, place.encoder(), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_method_learns_and_stays_spread(case):
    seen = toy.train(case.place, case.build(), lr=case.lr)
    assert seen.healthy(untrained(case.world), case.gain), (seen, untrained(case.world))


@pytest.mark.parametrize(("case", "control"), CONTROLS)
def test_broken_control_is_caught(case, control):
    seen = toy.train(case.place, case.build(control=control), lr=case.lr)
    assert not seen.healthy(untrained(case.world)), (seen, untrained(case.world))
    assert seen.rank < 8 or seen.std < 0.5, (seen, untrained(case.world))

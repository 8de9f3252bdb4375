"""Every method learns the toy world within seconds, and every broken control is caught by the monitors."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from audiossl.methods.clustering import Swav
from audiossl.methods.contrastive import SimClr
from audiossl.methods.distillation import Byol, SimSiam
from audiossl.recipe.methods import SimClrConfig, SwavConfig
from audiossl.recipe.training import MonitorConfig
from audiossl.training.monitors import warning
from tests.methods import toy
from tests.methods.case import Case
from tests.methods.cases import CASES
from tests.methods.cases.distillation import BYOL, SIMSIAM


class PositivesOnly(SimClr):
    """The control without negatives: nothing keeps the embedding spread."""

    def loss(self, views, index, at):
        z1, z2 = self.project(views)
        return {"loss": -F.cosine_similarity(z1, z2).mean()}


class SwavWithoutSinkhorn(Swav):
    """The control whose codes are the softmax of the scores: nothing keeps the prototypes equally full."""

    def codes(self, scores, at):
        return [(view.detach() / self.config.epsilon).softmax(dim=1) for view in scores[:2]]


class ByolWithoutPredictor(Byol):
    """The control that compares projections with the teacher's as they are: nothing keeps them apart."""

    def build(self, embedding_dim, n_items):
        super().build(embedding_dim, n_items)
        self.predictor = nn.Identity()


class SimSiamWithoutStopGradient(SimSiam):
    """The control whose targets come to meet the predictions: the rank is lost, the deviation is not."""

    def loss(self, views, index, at):
        z1, z2 = (self.head(self.encoder(view)) for view in views)
        forth, back = (F.cosine_similarity(self.predictor(a), b).mean() for a, b in ((z1, z2), (z2, z1)))
        return {"loss": -(forth + back) / 2}


CONTROLS = [
    pytest.param(Case(SimClrConfig(head="32")), PositivesOnly, id="positives only"),
    pytest.param(
        Case(SwavConfig(head="32", prototypes=32, queue=0, freeze_steps=0, short_crops=0)),
        SwavWithoutSinkhorn,
        id="swav without sinkhorn",
    ),
    pytest.param(Case(BYOL), ByolWithoutPredictor, id="byol without predictor"),
    pytest.param(Case(SIMSIAM), SimSiamWithoutStopGradient, id="simsiam without stop-gradient"),
]


@lru_cache
def untrained(world: str) -> toy.Outcome:
    torch.manual_seed(0)
    place = toy.WORLDS[world]
    return toy.outcome(place, place.encoder(), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_method_learns_and_stays_spread(case):
    method = case.build()
    before = toy.health(case.place, method)
    seen = toy.train(case.place, method, lr=case.lr)
    assert seen.healthy(untrained(case.world), case.gain), (seen, untrained(case.world))
    assert warning(toy.health(case.place, method), before, MonitorConfig()) is None


@pytest.mark.parametrize(("case", "control"), CONTROLS)
def test_broken_control_is_caught_by_the_monitors(case, control):
    method = case.build(control=control)
    before = toy.health(case.place, method)
    toy.train(case.place, method, lr=case.lr)
    after = toy.health(case.place, method)
    assert warning(after, before, MonitorConfig()) is not None, (after, before)

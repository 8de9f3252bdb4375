"""Every method learns the toy world within seconds, and every broken control is caught by the monitors."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.methods.build import build_method
from audiossl.methods.contrastive import SimClr
from audiossl.recipe.methods import BarlowTwinsConfig, SimClrConfig
from tests.methods import toy

CONFIGS = [SimClrConfig(head="64 bn relu 32"), BarlowTwinsConfig(head="64 bn relu 64")]


class PositivesOnly(SimClr):
    """The control without negatives: nothing keeps the embedding spread."""

    def loss(self, views, index, at):
        z1, z2 = self.project(views)
        return {"loss": -F.cosine_similarity(z1, z2).mean()}


@pytest.fixture(scope="module")
def untrained() -> toy.Outcome:
    torch.manual_seed(0)
    return toy.outcome(toy.encoder(), torch.Generator().manual_seed(0))


def build(config, control=None):
    torch.manual_seed(0)
    if control is None:
        return build_method(config, toy.encoder(), toy.DIM, 1000)
    return control(config.model_copy(update={"head": "32"}), toy.encoder(), toy.DIM, 1000)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_method_learns_and_stays_spread(config, untrained):
    seen = toy.train(build(config))
    assert seen.healthy(untrained), (seen, untrained)


@pytest.mark.parametrize(("config", "control"), [(CONFIGS[0], PositivesOnly)], ids=["positives only"])
def test_broken_control_is_caught(config, control, untrained):
    seen = toy.train(build(config, control))
    assert not seen.healthy(untrained), (seen, untrained)
    assert seen.rank < 8 or seen.std < 0.5, (seen, untrained)

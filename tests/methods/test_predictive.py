"""CPC as a method: what it asks of the encoder, what it predicts with, and what it makes of a batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from audiossl.encoders.build import build_seeded
from audiossl.errors import RecipeError
from audiossl.methods.base import At, ViewPlan
from audiossl.methods.build import build_method, view_plan
from audiossl.methods.losses.predictive import cpc
from audiossl.recipe.encoders import CausalConfig, CausalWaveformConfig
from audiossl.recipe.methods import CpcConfig

AT = At(step=0, steps=10, epoch=0.0)
INDEX = torch.arange(4)
INPUTS = {
    "logmel": (CausalConfig(channels=[16, 24], context=20), (4, 1, 16, 40)),
    "waveform": (CausalWaveformConfig(channels=[8, 8, 8, 8, 24], context=20), (4, 1, 1, 1700)),
}
both_inputs = pytest.mark.parametrize(("config", "shape"), INPUTS.values(), ids=INPUTS)


def build(encoder: CausalConfig, **changes):
    torch.manual_seed(0)
    return build_method(CpcConfig(steps=3, **changes), build_seeded(encoder, 16, seed=0), 20, 100).train()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@both_inputs
@pytest.mark.parametrize("negatives_from", ["sequence", "batch", "both"])
def test_the_loss_is_that_of_the_encoders_latents_and_contexts(config, shape, negatives_from):
    method, x = build(config, negatives_from=negatives_from), noise(*shape)
    loss = method.loss([x], INDEX, AT)["loss"]
    latents = method.encoder.latents(x)
    expected = cpc(latents, method.encoder.context(latents), method.predictors, negatives_from)
    assert torch.allclose(loss, expected, rtol=1e-6)
    loss.backward()
    assert all(weight.grad.abs().max() > 0 for weight in method.parameters())


def test_one_view_is_asked_for_and_one_matrix_made_per_step():
    config, _ = INPUTS["logmel"]
    assert view_plan(CpcConfig()) == ViewPlan(views=1)
    assert build(config).predictors.shape == (3, 24, 20)


def test_silence_gives_the_log_of_the_candidates():
    config, _ = INPUTS["logmel"]
    method = build(config, negatives_from="batch")
    assert method.loss([torch.zeros(4, 1, 16, 40)], INDEX, AT)["loss"].item() == pytest.approx(math.log(4), abs=1e-5)


def test_an_encoder_that_looks_ahead_is_refused_in_one_sentence():
    with pytest.raises(RecipeError, match=r"never looks ahead; write encoder\.name: causal"):
        build_method(CpcConfig(), nn.Linear(3, 20), 20, 100)


def test_negatives_of_all_ranks_take_part():
    config, shape = INPUTS["logmel"]
    method, x = build(config, negatives_from="batch"), noise(*shape)
    latents = method.encoder.latents(x)
    elsewhere = {24: latents.flip(2), 20: method.encoder.context(latents).flip(2)}
    alone = method.loss([x], INDEX, AT)["loss"]
    method.gather = lambda rows: torch.cat([rows, elsewhere[rows.shape[2]]])
    assert method.loss([x], INDEX, AT)["loss"] > alone + 0.1

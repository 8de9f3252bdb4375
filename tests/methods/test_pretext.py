"""Rotation and transform prediction: chance at first, labels learnt, and what cannot work refused in words."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from audiossl.errors import RecipeError
from audiossl.methods.base import At
from audiossl.methods.build import build_method, view_plan
from audiossl.recipe.load import load_recipe
from audiossl.recipe.methods import RotationConfig, TransformsConfig
from audiossl.recipe.schema import Recipe

AT = At(step=0, steps=10, epoch=0.0)
ALL = ["identity", "time_reversal", "frequency_flip", "both", "faster", "slower", "higher", "lower"]
CONFIGS = [RotationConfig(hidden="16 relu"), TransformsConfig(hidden="16 relu", transforms=ALL, smoothing=1)]
each = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


class Mean(nn.Module):
    """The four corners' means (N, 4): enough to see a gradient's direction."""

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


def build(config, encoder=None):
    torch.manual_seed(0)
    return build_method(config, encoder or Mean(), 4, 100).train()


def views(n=16):
    return [torch.randn(n, 1, 32, 32, generator=torch.Generator().manual_seed(1))]


@each
def test_one_view_is_asked_for(config):
    plan = view_plan(config)
    assert (plan.views, plan.short, plan.waveforms, plan.text) == (1, 0, 0, False)


@each
def test_a_classifier_that_knows_nothing_has_the_loss_and_the_accuracy_of_chance(config):
    method = build(config)
    classes = method.classifier[-1].out_features
    nn.init.zeros_(method.classifier[-1].weight)
    nn.init.zeros_(method.classifier[-1].bias)
    seen = method.loss(views(), torch.arange(16), AT)
    assert seen["loss"].item() == pytest.approx(math.log(classes), rel=1e-6)
    assert seen["accuracy"].item() == pytest.approx(1 / classes)


@each
def test_untrained_accuracy_is_near_chance(config):
    method = build(config)
    classes = method.classifier[-1].out_features
    assert method.loss(views(512), torch.arange(512), AT)["accuracy"].item() == pytest.approx(1 / classes, abs=0.05)


@each
def test_all_copies_are_one_batch_in_the_order_of_the_answers(config):
    seen = []

    class Record(Mean):
        def forward(self, x):
            seen.append(x)
            return super().forward(x)

    method = build(config, Record())
    method.loss(views(3), torch.arange(3), AT)
    classes = method.classifier[-1].out_features
    assert [len(x) for x in seen] == [3 * classes]
    assert torch.equal(seen[0], torch.cat(method.changed(views(3)[0])))


@pytest.mark.parametrize("config", [CONFIGS[0], TransformsConfig(hidden="16 relu")], ids=lambda config: config.name)
def test_a_world_with_one_direction_is_learnt_perfectly(config):
    """Every clip is louder in one corner, so the classifier alone can tell what was done to it."""
    method = build(config)
    optimiser = torch.optim.Adam(method.parameters(), lr=0.03)
    corner = torch.zeros(16, 1, 8, 8)
    corner[:, :, :4, :4] = 1.0
    for _ in range(60):
        seen = method.loss([corner + 0.1 * torch.randn(corner.shape)], torch.arange(16), AT)
        optimiser.zero_grad()
        seen["loss"].backward()
        optimiser.step()
    assert seen["accuracy"].item() == 1.0
    assert seen["loss"].item() < 0.1


@each
def test_half_precision_is_finite_and_near(config):
    exact = build(config).loss(views(), torch.arange(16), AT)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = build(config).loss(views(), torch.arange(16), AT)["loss"]
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)


def test_rotation_of_sound_is_refused_and_names_transforms():
    with pytest.raises(RecipeError, match=r"square pictures only, not 32 x 20; write name: transforms for sound"):
        build(RotationConfig()).loss([torch.zeros(2, 1, 32, 20)], torch.arange(2), AT)


def test_polarity_is_refused_because_a_log_mel_cannot_see_it():
    with pytest.raises(RecipeError, match=r"method\.transforms: a log-mel spectrogram cannot see polarity"):
        load_recipe(Recipe(), ["method={name: transforms, transforms: [identity, polarity]}"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"transforms": ["identity"]}, "transforms"),
        ({"transforms": ["identity", "identity"]}, "twice"),
        ({"transforms": ["identity", "louder"]}, "transforms"),
        ({"factor": 1.0}, "factor"),
        ({"factor": 2.0, "smoothing": 1.0}, "smoothing: 1.5"),
    ],
)
def test_transforms_that_make_no_task_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        TransformsConfig(**values)

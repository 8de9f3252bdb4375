"""Multi-format contrast as a method: who sees which format, and that either encoder learns."""

from __future__ import annotations

import math

import pytest
import torch

from audiossl.encoders.build import build_seeded
from audiossl.methods.base import At, ViewPlan
from audiossl.methods.build import build_method, view_plan
from audiossl.recipe.encoders import AudioNtt2020Config, WaveformCnnConfig
from audiossl.recipe.methods import MultiFormatConfig
from tests.methods import toy
from tests.methods.cases.predictive import CASES
from tests.methods.formats import FORMATS, Formats

AT = At(step=0, steps=10, epoch=0.0)
N = 6


def build(**changes):
    torch.manual_seed(0)
    encoder = build_seeded(AudioNtt2020Config(dim=24, dropout=0.0), 16, seed=0)
    partner = build_seeded(WaveformCnnConfig(dim=40), 16, seed=0)
    return build_method(MultiFormatConfig(head="32 bn relu 8", **changes), encoder, 24, 100, partner).train()


def formats() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(N, 1, 16, 20, generator=generator), torch.randn(N, 1, 1, 1600, generator=generator)]


class Fixed(torch.nn.Module):
    """Gives the same whatever it is given."""

    def __init__(self, values: torch.Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.values


def test_a_spectrogram_and_a_waveform_of_each_clip_are_asked_for():
    assert view_plan(MultiFormatConfig()) == ViewPlan(views=1, waveforms=1)


def test_both_encoders_and_both_heads_get_a_gradient():
    method = build()
    loss = method.loss(formats(), torch.arange(N), AT)["loss"]
    loss.backward()
    parts = method.encoder, method.partner, method.head, method.partner_head
    assert all(weight.grad.isfinite().all() for weight in method.parameters())
    assert all(max(weight.grad.abs().max() for weight in part.parameters()) > 1e-4 for part in parts)


def test_equal_embeddings_give_the_log_of_the_clips():
    method = build()
    method.head = method.partner_head = Fixed(torch.ones(N, 8))
    assert method.loss(formats(), torch.arange(N), AT)["loss"].item() == pytest.approx(math.log(N), abs=1e-5)


def test_the_formats_of_one_clip_belong_together():
    method = build(temperature=0.05)
    method.head = method.partner_head = Fixed(torch.eye(N))
    assert method.loss(formats(), torch.arange(N), AT)["loss"] < 1e-6
    method.partner_head = Fixed(torch.eye(N).roll(1, dims=0))
    assert method.loss(formats(), torch.arange(N), AT)["loss"] > 10


class Heard(Formats):
    """The same world, judged by what the partner makes of the waveforms."""

    def view(self, items, generator):
        return self.waveform(items, generator)


def test_the_waveforms_encoder_learns_too():
    (case,) = (case for case in CASES if case.world == FORMATS)
    method = case.build()
    untrained = toy.outcome(Heard(), method.partner, torch.Generator().manual_seed(0))
    toy.train(case.place, method, lr=case.lr, steps=100)
    seen = toy.outcome(Heard(), method.partner, torch.Generator().manual_seed(0))
    assert seen.knn > untrained.knn + 0.15, (seen, untrained)

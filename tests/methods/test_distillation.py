"""BYOL and SimSiam: who gets a gradient, who is an average of whom, and at which learning rate."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from audiossl.methods.base import At
from audiossl.methods.build import build_method
from audiossl.methods.state import ema_momentum
from audiossl.recipe.methods import ByolConfig, SimSiamConfig
from audiossl.training.optim import parameter_groups, set_lr

DIM, N = 6, 8
AT = At(0, 10, 0.0)
BYOL = ByolConfig(head="12 bn relu 4", predictor="8 bn relu 4", momentum=0.9)
SIMSIAM = SimSiamConfig(head="12 bn relu 4 bn_plain", predictor="3 bn relu 4")


def build(config):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(20, DIM), nn.BatchNorm1d(DIM))
    return build_method(config, encoder, DIM, 100).train()


def two_views() -> list[Tensor]:
    return list(torch.randn(2, N, 1, 4, 5, generator=torch.Generator().manual_seed(1)))


def loss_of(method, views=None) -> Tensor:
    return method.loss(views or two_views(), torch.arange(N), AT)["loss"]


@pytest.mark.parametrize("config", [BYOL, SIMSIAM])
def test_swapping_the_views_changes_nothing(config):
    assert loss_of(build(config)).item() == pytest.approx(loss_of(build(config), two_views()[::-1]).item(), rel=1e-5)


def test_byol_adds_both_directions():
    method = build(BYOL)
    method.predictor, method.head = nn.Identity(), nn.Identity()
    method.teacher.module[1] = nn.Identity()
    first, second = two_views()
    cosine = torch.cosine_similarity(method.encoder(first), method.encoder(second)).mean()
    assert loss_of(method).item() == pytest.approx(4 - 4 * cosine.item(), rel=1e-5)


def test_byols_teacher_starts_as_encoder_and_head_themselves():
    method = build(BYOL)
    view = two_views()[0]
    assert torch.equal(method.teacher(view), method.head(method.encoder(view)))


def test_byols_teacher_gets_no_gradient_and_no_place_in_the_optimiser():
    method = build(BYOL)
    loss_of(method).backward()
    teacher = {id(p) for p in method.teacher.parameters()}
    assert all(p.grad is None for p in method.teacher.parameters())
    groups = parameter_groups(method, 0.1, False, method.rates())
    held = {id(p) for group in groups for p in group["params"]}
    assert held == {id(p) for p in method.parameters()} - teacher
    assert len(teacher) == len(list(method.encoder.parameters())) + len(list(method.head.parameters()))


def test_a_loss_does_not_move_byols_teacher_and_a_step_does():
    method = build(BYOL)
    before = [p.clone() for p in method.teacher.parameters()]
    with torch.no_grad():
        for p in method.encoder.parameters():
            p += 1
    loss_of(method).backward()
    assert all(map(torch.equal, before, method.teacher.parameters()))
    at = At(4, 10, 0.0)
    method.after_step(at)
    share = 1 - ema_momentum(0.9, 1.0, at)
    for old, new, student in zip(before, method.teacher.parameters(), method.student.parameters(), strict=True):
        assert torch.allclose(new, old + share * (student - old), atol=1e-6)


def test_byol_a_keeps_its_momentum():
    method = build(BYOL.model_copy(update={"momentum": 0.75, "momentum_final": 0.75}))
    start = [p.clone() for p in method.teacher.parameters()]
    with torch.no_grad():
        for p in method.student.parameters():
            p += 1
    for step in range(10):
        method.after_step(At(step, 10, 0.0))
    for old, new in zip(start, method.teacher.parameters(), strict=True):
        assert torch.allclose(new - old, torch.full_like(old, 1 - 0.75**10), atol=1e-5)


def test_simsiam_of_a_constant_network_is_minus_one():
    method = build(SIMSIAM)
    method.encoder, method.head, method.predictor = nn.Flatten(), nn.Identity(), nn.Identity()
    assert loss_of(method, [torch.ones(N, 1, 4, 5)] * 2).item() == pytest.approx(-1, abs=1e-6)


def test_simsiam_learns_through_its_predictions_only():
    method = build(SIMSIAM)
    method.predictor = nn.Linear(4, 4)
    with torch.no_grad():
        method.predictor.weight.zero_()
    loss_of(method).backward()
    assert method.predictor.bias.grad.abs().max() > 0
    assert all(p.grad.abs().max() == 0 for p in method.encoder.parameters())


def test_simsiams_predictor_keeps_the_learning_rate_of_the_recipe():
    method = build(SIMSIAM)
    optimiser = torch.optim.SGD(parameter_groups(method, 0.1, False, method.rates()), lr=1.0)
    set_lr(optimiser, 0.5, 0.01)
    predictor = {id(p) for p in method.predictor.parameters()}
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert len(rates) == len(list(method.parameters()))
    assert {rate for p, rate in rates.items() if p in predictor} == {0.5}
    assert {rate for p, rate in rates.items() if p not in predictor} == {0.005}


def test_the_last_norm_of_simsiams_head_has_no_scale():
    assert build(SimSiamConfig()).head[-1].weight is None


@pytest.mark.parametrize("config", [ByolConfig, SimSiamConfig])
def test_a_predictor_of_another_size_than_the_head_is_refused(config):
    with pytest.raises(ValidationError, match="write 128 as the last number of predictor"):
        config(head="256 bn relu 128", predictor="64 relu 256")

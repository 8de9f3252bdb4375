"""MoCo v2 and v3: the order of queue and loss, the teacher, and what a checkpoint holds."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.methods.base import At
from audiossl.methods.build import build_method
from audiossl.methods.losses.momentum_contrast import moco, moco_v3
from audiossl.recipe.methods import MocoConfig, MocoV3Config
from audiossl.training.optim import parameter_groups

DIM, N = 6, 8
AT = At(0, 10, 0.0)
MOCO = MocoConfig(head="12 relu 4", queue=11, momentum=0.9)
MOCO_V3 = MocoV3Config(head="12 bn relu 4 bn_plain", predictor="8 bn relu 4", momentum=0.9)


def build(config):
    torch.manual_seed(0)
    return build_method(config, nn.Sequential(nn.Flatten(), nn.Linear(20, DIM)), DIM, 100).train()


def two_views(seed: int = 1) -> list[Tensor]:
    return list(torch.randn(2, N, 1, 4, 5, generator=torch.Generator().manual_seed(seed)))


def loss_of(method, views=None) -> Tensor:
    return method.loss(views or two_views(), torch.arange(N), AT)["loss"]


def test_keys_join_the_queue_after_the_loss_has_seen_the_old_one():
    method, (first, second) = build(MOCO), two_views()
    before = method.queue.rows.clone()
    query, key = method.head(method.encoder(first)), method.teacher(second)
    loss = loss_of(method)
    assert loss.item() == pytest.approx(moco(query, key, before, 0.2).item(), rel=1e-6)
    assert torch.allclose(method.queue.rows[:N], F.normalize(key, dim=1), atol=1e-6)
    assert torch.equal(method.queue.rows[N:], before[N:])
    loss.backward()
    assert all(p.grad.abs().max() > 0 for p in method.student.parameters())


def test_the_symmetric_form_averages_both_directions_and_keeps_both_keys():
    method, views = build(MOCO.model_copy(update={"symmetric": True, "queue": 2 * N})), two_views()
    rows = method.queue.rows.clone()
    z1, z2 = (method.head(method.encoder(view)) for view in views)
    k1, k2 = (method.teacher(view) for view in views)
    expected = (moco(z1, k2, rows, 0.2) + moco(z2, k1, rows, 0.2)) / 2
    assert loss_of(method).item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.allclose(method.queue.rows, F.normalize(torch.cat([k2, k1]), dim=1), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.07, 0.2])
def test_a_collapsed_moco_is_log_of_the_candidates(temperature):
    method = build(MOCO.model_copy(update={"temperature": temperature}))
    with torch.no_grad():
        for part in (method.student, method.teacher):
            for p in part.parameters():
                p.zero_()
            (part[1] if isinstance(part, nn.Sequential) else part.module[1])[-1].bias.fill_(1.0)
    for seed in range(2):  # 16 keys fill the 11 rows
        loss_of(method, two_views(seed))
    assert loss_of(method).item() == pytest.approx(math.log(12), abs=1e-5)


def test_the_teacher_of_a_step_encodes_the_keys_of_the_next_as_in_the_paper():
    """The paper moves the teacher first in every step; the first of its moves changes nothing."""
    ours, paper = build(MOCO), build(MOCO)
    for step in range(4):
        seen = loss_of(ours, two_views(step))
        paper.after_step(AT)
        expected = loss_of(paper, two_views(step))
        assert seen.item() == pytest.approx(expected.item(), rel=1e-6)
        for method, loss in ((ours, seen), (paper, expected)):
            loss.backward()
            with torch.no_grad():
                for p in method.student.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
        ours.after_step(AT)


def test_mocos_momentum_is_constant():
    assert {build(MOCO).momentum(At(step, 10, 0.0)) for step in range(11)} == {0.9}
    assert build(MOCO_V3).momentum(At(5, 10, 0.0)) == pytest.approx(0.95)


def test_several_losses_in_one_step_fill_the_queue_in_turn():
    method = build(MOCO.model_copy(update={"queue": 3 * N}))
    keys = [method.teacher(two_views(seed)[1]) for seed in range(3)]
    sum(loss_of(method, two_views(seed)) for seed in range(3)).backward()
    assert torch.allclose(method.queue.rows, F.normalize(torch.cat(keys), dim=1), atol=1e-6)
    assert method.queue.full


@pytest.mark.parametrize("config", [MOCO, MOCO_V3])
def test_the_teacher_has_no_gradient_and_no_place_in_the_optimiser(config):
    method = build(config)
    loss_of(method).backward()
    teacher = {id(p) for p in method.teacher.parameters()}
    assert all(p.grad is None for p in method.teacher.parameters())
    held = {id(p) for group in parameter_groups(method, 0.1, False) for p in group["params"]}
    assert held == {id(p) for p in method.parameters()} - teacher


def test_a_checkpoint_holds_teacher_queue_and_place():
    whole, resumed = build(MOCO), build(MOCO)
    loss_of(whole)
    with torch.no_grad():
        whole.encoder[1].weight.mul_(2)
    whole.after_step(AT)
    state = copy.deepcopy(whole.state_dict())
    assert {"queue.rows", "queue.pushed", "teacher.module.0.1.weight"} <= set(state)
    resumed.load_state_dict(state)
    for seed in (5, 6):
        assert torch.equal(loss_of(whole, two_views(seed)), loss_of(resumed, two_views(seed)))


def test_moco_v3_adds_both_directions():
    method, views = build(MOCO_V3), two_views()
    (q1, q2), (k1, k2) = method.predictions(views), method.keys(views)
    expected = moco_v3(q1, k2, 0.2) + moco_v3(q2, k1, 0.2)
    assert loss_of(method).item() == pytest.approx(expected.item(), rel=1e-5)

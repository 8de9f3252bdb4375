"""The loss of CPC against the reference value and gradient, closed forms, and a loop over every prediction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from audiossl.methods.losses.predictive import cpc
from tests.methods.losses.reference import check

GROUPS = {"cpc": lambda params, z, c, w: cpc(z, c, w, "batch")}
CHOICES = ["sequence", "batch", "both"]
every_choice = pytest.mark.parametrize("negatives_from", CHOICES)


def drawn(clips: int = 4, frames: int = 9, steps: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = (clips, frames, 5), (clips, frames, 6), (steps, 5, 6)
    z, c, w = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return z, c, w


def candidates(negatives_from: str, clip: int, frame: int, k: int, clips: int, frames: int) -> set[tuple[int, int]]:
    own = {(clip, other) for other in range(k, frames)}
    others = {(other, frame + k) for other in range(clips)}
    return {"sequence": own, "batch": others, "both": own | others}[negatives_from]


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 1


@every_choice
def test_the_loss_is_a_loop_over_every_prediction_of_every_step(negatives_from):
    z, c, w = drawn()
    of_steps = []
    for k in (1, 2, 3):
        terms = []
        for clip in range(4):
            for frame in range(9 - k):
                told = w[k - 1] @ c[clip, frame]
                scores = {at: float(z[at] @ told) for at in candidates(negatives_from, clip, frame, k, 4, 9)}
                total = sum(math.exp(score) for score in scores.values())
                terms.append(math.log(total) - scores[clip, frame + k])
        of_steps.append(sum(terms) / len(terms))
    assert cpc(z, c, w, negatives_from).item() == pytest.approx(sum(of_steps) / 3, rel=1e-12)


@every_choice
@pytest.mark.parametrize("value", [0.0, 3.0, 1000.0])
def test_equal_latents_give_the_log_of_how_many_candidates_there_are(negatives_from, value):
    _, c, w = drawn()
    counts = {"sequence": [8, 7, 6], "batch": [4, 4, 4], "both": [11, 10, 9]}[negatives_from]
    expected = sum(map(math.log, counts)) / 3
    assert cpc(torch.full((4, 9, 5), value).double(), c, w, negatives_from).item() == pytest.approx(expected, rel=1e-9)


@every_choice
@pytest.mark.parametrize("k", [1, 2, 3])
def test_only_the_right_matrix_tells_the_frame_exactly_k_ahead(negatives_from, k):
    """Contexts that name the frame k ahead make step k's loss vanish, and no other step's."""
    z = 10 * torch.eye(36).view(4, 9, 36)
    c = z.roll(-k, dims=1)
    losses = []
    for step in (1, 2, 3):
        w = torch.zeros(step, 36, 36)
        w[step - 1] = torch.eye(36)
        alone = cpc(z, c, w, negatives_from) * step
        losses.append(float(alone - sum(math.log(count) for count in _counts(negatives_from)[: step - 1])))
    assert losses[k - 1] < 1e-6
    assert all(loss > 1 for step, loss in enumerate(losses, 1) if step != k)


def _counts(negatives_from: str) -> list[int]:
    return {"sequence": [8, 7, 6], "batch": [4, 4, 4], "both": [11, 10, 9]}[negatives_from]


@every_choice
def test_shuffled_targets_raise_the_loss(negatives_from):
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(6, 10, 8, generator=generator)
    c = z.roll(-1, dims=1)
    w = torch.eye(8)[None]
    told = cpc(z, c, w, negatives_from)
    shuffled = z.flatten(0, 1)[torch.randperm(60, generator=generator)].view_as(z)
    assert cpc(shuffled, c, w, negatives_from) > told + 1


@every_choice
def test_the_last_contexts_have_nothing_to_predict_and_the_first_frame_is_no_target(negatives_from):
    z, c, w = drawn(steps=1)
    base = cpc(z, c, w, negatives_from)
    assert torch.equal(cpc(z, torch.cat([c[:, :-1], 99 * c[:, -1:]], dim=1), w, negatives_from), base)
    assert torch.equal(cpc(torch.cat([99 * z[:, :1], z[:, 1:]], dim=1), c, w, negatives_from), base)


def test_negatives_of_the_same_clip_need_no_other_clip():
    z, c, w = drawn()
    alone = torch.stack([cpc(z[b : b + 1], c[b : b + 1], w, "sequence") for b in range(4)])
    assert torch.allclose(cpc(z, c, w, "sequence"), alone.mean(), rtol=1e-12)
    assert cpc(z[:1], c[:1], w, "batch").item() == 0
    assert torch.equal(cpc(z[:1], c[:1], w, "both"), alone[0])


@every_choice
def test_gradients_are_those_of_finite_differences(negatives_from):
    inputs = [tensor.requires_grad_() for tensor in drawn(clips=3, frames=5, steps=2)]
    assert torch.autograd.gradcheck(lambda z, c, w: cpc(z, c, w, negatives_from), inputs)


@every_choice
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_however_large_the_scores(negatives_from, dtype):
    z, c, w = (tensor.to(dtype) * 100 for tensor in drawn())
    z.requires_grad_()
    loss = cpc(z, c, w, negatives_from)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert z.grad.isfinite().all()


@every_choice
def test_autocast_does_not_lower_the_precision(negatives_from):
    z, c, w = (tensor.float() for tensor in drawn())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = cpc(z, c, w, negatives_from)
    assert torch.equal(inside, cpc(z, c, w, negatives_from))

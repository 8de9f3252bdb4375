"""CLIP: symmetric over sounds and texts, its temperature learnt within bounds, equal texts never pushed apart."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.data.texts import text_rows
from audiossl.encoders.text import TextTransformer
from audiossl.methods.base import At
from audiossl.methods.clip import Clip
from audiossl.recipe.methods.clip import ClipConfig
from audiossl.training.optim import parameter_groups
from tests.methods.words import SMALL

AT = At(0, 1, 0.0)
N, DIM = 6, 5
DIFFERENT = ["dog", "hen", "rain", "sea waves", "a door", "clock tick"]
ALIKE = ["dog", "hen", "dog", "dog", "rain", "hen"]


def build(**told) -> Clip:
    torch.manual_seed(0)
    config = ClipConfig(partner=SMALL, head="8", text_head="8", **told)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, DIM))
    return Clip(config, encoder, DIM, 100, TextTransformer(SMALL)).double()


def sounds() -> Tensor:
    return torch.randn(N, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def texts(words: list[str]) -> Tensor:
    return text_rows(words, 16)


def loss(method: Clip, words: list[str] = DIFFERENT) -> Tensor:
    return method.loss([sounds(), texts(words)], torch.arange(N), AT)["loss"]


def similarities(method: Clip, words: list[str]) -> Tensor:
    sound = F.normalize(method.head(method.encoder(sounds())), dim=1)
    text = F.normalize(method.text_head(method.partner(texts(words))), dim=1)
    return sound @ text.T / 0.07


def test_the_loss_equals_a_slow_loop_over_sounds_and_texts():
    method = build()
    s = similarities(method, DIFFERENT).tolist()
    total = 0.0
    for n in range(N):
        total -= math.log(math.exp(s[n][n]) / sum(math.exp(s[n][m]) for m in range(N)))
        total -= math.log(math.exp(s[n][n]) / sum(math.exp(s[m][n]) for m in range(N)))
    assert loss(method).item() == pytest.approx(total / (2 * N), rel=1e-7)


def test_equal_texts_are_each_others_positives_without_being_told():
    """The loss and every gradient are those of targets spread evenly over all clips of a text."""
    method, told = build(), build()
    loss(method, ALIKE).backward()
    same = torch.tensor([[float(a == b) for b in ALIKE] for a in ALIKE], dtype=torch.float64)
    target = same / same.sum(dim=1, keepdim=True)
    logits = similarities(told, ALIKE)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    expected.backward()
    assert loss(method, ALIKE).item() == pytest.approx(expected.item(), rel=1e-7)
    for (name, weight), other in zip(method.named_parameters(), told.parameters(), strict=True):
        if name != "log_scale":
            assert torch.allclose(weight.grad, other.grad, rtol=1e-5, atol=1e-9), name


def test_sounds_of_one_text_that_are_all_alike_and_apart_from_others_are_a_minimum():
    method = build()
    method.encoder = method.head = method.partner = method.text_head = nn.Identity()
    corners = 3 * torch.eye(3, dtype=torch.float64)[[0, 1, 0, 0, 2, 1]]
    sound = corners.clone().requires_grad_()
    method.loss([sound, corners], torch.arange(N), AT)["loss"].backward()
    assert sound.grad.abs().max() < 1e-5


@pytest.mark.parametrize("words", [DIFFERENT, ALIKE])
def test_collapsed_embeddings_give_log_of_the_candidates(words):
    method = build()
    for head in (method.head, method.text_head):
        nn.init.zeros_(head[0].weight)
    assert loss(method, words).item() == pytest.approx(math.log(N), abs=1e-9)


def test_the_order_of_the_pairs_does_not_count():
    method, order = build(), torch.randperm(N, generator=torch.Generator().manual_seed(2))
    moved = method.loss([sounds()[order], texts(ALIKE)[order]], order, AT)["loss"]
    assert moved.item() == pytest.approx(loss(method, ALIKE).item(), rel=1e-9)


def test_the_scale_begins_at_the_temperature_is_learnt_and_stays_within_100():
    method = build()
    assert method.log_scale.item() == pytest.approx(math.log(1 / 0.07), rel=1e-6)
    loss(method).backward()
    assert method.log_scale.grad.abs() > 1e-6
    with torch.no_grad():
        method.log_scale.fill_(5.0)
    method.after_step(AT)
    assert method.log_scale.exp().item() == pytest.approx(100)
    with torch.no_grad():
        method.log_scale.fill_(-1.0)
    method.after_step(AT)
    assert method.log_scale.item() == -1.0


@pytest.mark.parametrize("decay_all", [False, True])
def test_the_scale_never_decays(decay_all):
    method = build()
    groups = parameter_groups(method, 0.2, decay_all, method.rates())
    (its,) = [group for group in groups if any(p is method.log_scale for p in group["params"])]
    assert its["weight_decay"] == 0.0


def test_the_gradient_reaches_both_encoders_and_both_heads():
    method = build()
    loss(method, ALIKE).backward()
    still = {
        name for name, weight in method.named_parameters() if weight.grad is None or not weight.grad.abs().max() > 0
    }
    assert not still


def test_two_ranks_see_the_loss_of_one():
    method = build()
    whole = loss(method, ALIKE).item()
    rows = [method.head(method.encoder(sounds())), method.text_head(method.partner(texts(ALIKE)))]
    for rank in (0, 1):
        others = iter([part.chunk(2)[1 - rank] for part in rows])

        def gather(z: Tensor, rank=rank, others=others) -> Tensor:
            return torch.cat([z, next(others)] if rank == 0 else [next(others), z])

        method.gather = gather
        views = [part.chunk(2)[rank] for part in (sounds(), texts(ALIKE))]
        seen = method.loss(views, torch.arange(N // 2), AT)["loss"]
        assert seen.item() == pytest.approx(whole, rel=1e-9)


def test_half_precision_stays_finite_at_the_sharpest_scale():
    method = build().float()
    with torch.no_grad():
        method.log_scale.fill_(math.log(100))
    with torch.autocast("cpu", torch.bfloat16):
        value = method.loss([sounds().float(), texts(ALIKE)], torch.arange(N), AT)["loss"]
    value.backward()
    assert value.dtype == torch.float32
    assert all(torch.isfinite(weight.grad).all() for weight in method.parameters())


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"temperature": 0.001}, "temperature"),
        ({"head": "8", "text_head": "8 relu 9"}, "head ends in 8 and text_head in 9"),
    ],
)
def test_values_that_make_no_common_space_are_refused(told, field):
    with pytest.raises(ValidationError, match=field):
        ClipConfig(**told)

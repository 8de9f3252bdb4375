"""What the contrastive methods promise beyond their losses."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.methods.base import At, Method
from audiossl.methods.build import build_method
from audiossl.methods.losses.contrastive import bilinear_info_nce, decoupled, hard_negatives, info_nce, ntxent
from audiossl.recipe.methods import ColaConfig, NpidConfig, SimClrConfig
from audiossl.recipe.schema import Recipe

AT = At(step=0, steps=10, epoch=0.0)
DIM = 6


def build(config, n_items: int = 40) -> Method:
    torch.manual_seed(0)
    return build_method(config, nn.Sequential(nn.Flatten(), nn.Linear(20, DIM)), DIM, n_items)


def views(count: int = 2, n: int = 8) -> list[Tensor]:
    return list(torch.randn(count, n, 1, 4, 5, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    ("variant", "loss"),
    [
        ({"name": "ntxent"}, lambda a, b: ntxent(a, b, 0.3)),
        ({"name": "decoupled"}, lambda a, b: decoupled(a, b, 0.3)),
        ({"name": "decoupled", "sigma": 0.5}, lambda a, b: decoupled(a, b, 0.3, 0.5)),
        ({"name": "debiased", "tau_plus": 0.2}, lambda a, b: hard_negatives(a, b, 0.3, 0.2, 0.0)),
        ({"name": "hard_negatives", "tau_plus": 0.2, "beta": 2}, lambda a, b: hard_negatives(a, b, 0.3, 0.2, 2.0)),
    ],
)
def test_each_variant_of_simclr_is_its_own_loss(variant, loss):
    method = build(SimClrConfig(head="5", temperature=0.3, variant=variant))
    z1, z2 = (method.head(method.encoder(view)) for view in views())
    assert method.loss(views(), torch.arange(8), AT)["loss"].item() == pytest.approx(loss(z1, z2).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("variant", "refused"),
    [
        ({"name": "ntxent", "tau_plus": 0.1}, "tau_plus"),
        ({"name": "decoupled", "beta": 1.0}, "beta"),
        ({"name": "debiased", "beta": 1.0}, "beta"),
        ({"name": "debiased", "tau_plus": 1.0}, "tau_plus"),
        ({"name": "hard_negatives", "sigma": 0.5}, "sigma"),
        ({"name": "hard_negatives", "beta": -1}, "beta"),
        ({"name": "dcl"}, "decoupled"),
    ],
)
def test_a_variant_refuses_what_belongs_to_another(variant, refused):
    with pytest.raises(ValidationError, match=refused):
        Recipe(method={"name": "simclr", "variant": variant})


SHUFFLED = torch.randperm(40, generator=torch.Generator().manual_seed(3)).split(8)
"""Batches of clip numbers of one pass over 40 clips."""


def clips(index: Tensor) -> list[Tensor]:
    """The one view of each clip, a function of its number alone."""
    return [torch.randn(40, 1, 4, 5, generator=torch.Generator().manual_seed(2))[index]]


@pytest.mark.parametrize("form", ["softmax", "nce"])
def test_after_a_shuffled_pass_each_clip_finds_its_own_embedding_in_the_bank(form):
    method = build(NpidConfig(head="5", momentum=0.0, negatives=10, form=form))
    for index in SHUFFLED:
        method.loss(clips(index), index, AT)
        method.after_step(AT)
    everything = F.normalize(method.head(method.encoder(clips(torch.arange(40))[0])), dim=1)
    assert method.bank.filled.all()
    assert torch.allclose(method.bank.rows, everything, atol=1e-6)


def test_the_bank_is_filled_once_before_the_first_epoch_with_the_clips_that_can_be_read():
    method, readable = build(NpidConfig(head="5", negatives=10)), torch.arange(0, 40, 2)
    unread = method.bank.rows[1::2].clone()

    def embed(f):
        return f(clips(readable)[0]).detach(), readable

    method.before_epoch(AT, embed)
    z = F.normalize(method.head(method.encoder(clips(readable)[0])), dim=1)
    assert torch.allclose(method.bank.rows[readable], z, atol=1e-6)
    assert torch.equal(method.bank.rows[1::2], unread)
    method.before_epoch(AT, lambda f: pytest.fail("filled twice"))


def test_the_bank_moves_halfway_and_stays_on_the_sphere():
    method, index = build(NpidConfig(head="5", negatives=10)), SHUFFLED[0]
    before = method.bank.rows.clone()
    method.loss(clips(index), index, AT)
    assert torch.equal(method.bank.rows, before), "written before the optimiser's step"
    method.after_step(AT)
    z = F.normalize(method.head(method.encoder(clips(index)[0])), dim=1)
    assert torch.allclose(method.bank.rows[index], F.normalize(before[index] + z, dim=1), atol=1e-6)
    others = torch.ones(40, dtype=torch.bool).index_fill(0, index, False)
    assert torch.equal(method.bank.rows[others], before[others])


def test_all_batches_of_an_accumulated_step_reach_the_bank_once():
    method = build(NpidConfig(head="5", negatives=10))
    for index in SHUFFLED[:3]:
        method.loss(clips(index), index, AT)
    method.after_step(AT)
    assert method.bank.filled.nonzero().flatten().tolist() == sorted(torch.cat(SHUFFLED[:3]).tolist())
    after = method.bank.rows.clone()
    method.after_step(AT)
    assert torch.equal(method.bank.rows, after)


def test_the_constant_z_is_of_the_first_batch_and_stays_through_a_checkpoint():
    method, index = build(NpidConfig(head="5", negatives=10_000, form="nce", temperature=0.5)), SHUFFLED[0]
    method.loss(clips(index), index, AT)
    z = F.normalize(method.head(method.encoder(clips(index)[0])), dim=1)
    # The clip's own row is one of 10,001: the mean is nearly that over the other rows of the bank.
    own = F.one_hot(index, 40).bool()
    others = (z @ method.bank.rows.T / 0.5).exp().masked_fill(own, 0).sum() / (8 * 39)
    assert method.log_z.item() == pytest.approx(math.log(40 * others.item()), abs=0.01)
    first = method.log_z.clone()
    method.loss(clips(SHUFFLED[1]), SHUFFLED[1], AT)
    assert torch.equal(method.log_z, first)
    again = build(NpidConfig(head="5", negatives=10_000, form="nce", temperature=0.5))
    again.load_state_dict(method.state_dict())
    again.loss(clips(SHUFFLED[2]), SHUFFLED[2], AT)
    assert torch.equal(again.log_z, first)


def test_negatives_are_other_clips_each_as_often_and_of_torchs_own_generator():
    method = build(NpidConfig(head="5", negatives=20_000, form="nce"))
    torch.manual_seed(1)
    drawn = method._draw(torch.tensor([7, 39]))
    counts = torch.stack([row.bincount(minlength=40) for row in drawn])
    assert counts[0, 7] == counts[1, 39] == 0
    rest = counts[counts > 0]
    assert len(rest) == 2 * 39
    assert (rest / (20_000 / 39) - 1).abs().max() < 0.2
    torch.manual_seed(1)
    assert torch.equal(method._draw(torch.tensor([7, 39])), drawn)


def test_as_many_negatives_as_there_are_other_clips_are_the_whole_softmax():
    method, index = build(NpidConfig(head="5", negatives=39)), SHUFFLED[0]
    scores = F.normalize(method.head(method.encoder(clips(index)[0])), dim=1) @ method.bank.rows.T / 0.07
    assert method.loss(clips(index), index, AT)["loss"].item() == pytest.approx(
        F.cross_entropy(scores, index).item(), rel=1e-5
    )


def test_cola_goes_from_the_first_crop_to_the_second_by_the_similarity_it_is_told():
    cosine = build(ColaConfig(head="5", similarity={"name": "cosine", "temperature": 0.3}))
    z1, z2 = (cosine.head(cosine.encoder(view)) for view in views())
    assert cosine.loss(views(), torch.arange(8), AT)["loss"].item() == pytest.approx(info_nce(z1, z2, 0.3).item())
    assert len(list(cosine.parameters())) == 4
    bilinear = build(ColaConfig(head="5"))
    g1, g2 = (bilinear.norm(bilinear.head(bilinear.encoder(view))).tanh() for view in views())
    expected = bilinear_info_nce(g1, g2, bilinear.weight)
    assert bilinear.loss(views(), torch.arange(8), AT)["loss"].item() == pytest.approx(expected.item())
    assert expected.item() != pytest.approx(bilinear_info_nce(g2, g1, bilinear.weight).item(), rel=1e-6)


def test_a_similarity_refuses_what_belongs_to_another():
    with pytest.raises(ValidationError, match="temperature"):
        Recipe(method={"name": "cola", "similarity": {"name": "bilinear", "temperature": 0.2}})

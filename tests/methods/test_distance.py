"""What the distance methods promise beyond their losses."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.methods.base import At, Method
from audiossl.methods.build import build_method
from audiossl.recipe.methods import DistanceWeightedConfig, MarginContrastiveConfig, TripletConfig
from audiossl.training.optim import parameter_groups, set_lr

AT = At(step=0, steps=10, epoch=0.0)
DIM = 6


def build(config) -> Method:
    torch.manual_seed(0)
    return build_method(config, nn.Sequential(nn.Flatten(), nn.Linear(20, DIM)), DIM, 40)


def views(n: int = 8) -> list[Tensor]:
    return list(torch.randn(2, n, 1, 4, 5, generator=torch.Generator().manual_seed(1)))


@torch.no_grad()
def projections(method: Method, *, normalise: bool) -> Tensor:
    """Rows n and n + 8 are the views of clip n."""
    z = torch.cat([method.head(method.encoder(view)) for view in views()])
    return F.normalize(z, dim=1) if normalise else z


@pytest.mark.parametrize(("normalise", "margin"), [(False, 4.0), (True, 1.5)])
def test_margin_contrastive_takes_the_views_of_a_clip_as_similar_and_all_else_as_dissimilar(normalise, margin):
    method = build(MarginContrastiveConfig(head="5", normalise=normalise, margin=margin))
    z = projections(method, normalise=normalise)
    total = 0.0
    for i in range(16):
        for j in range(i):
            d = float((z[i] - z[j]).norm())
            total += d**2 / 2 if i - j == 8 else max(0.0, margin - d) ** 2 / 2
    assert method.loss(views(), torch.arange(8), AT)["loss"].item() == pytest.approx(total / 120, rel=1e-5)


@pytest.mark.parametrize("mining", ["all", "batch_hard", "semi_hard"])
@pytest.mark.parametrize(("squared", "normalise"), [(True, True), (False, False)])
def test_triplet_takes_its_negatives_as_it_is_told(mining, squared, normalise):
    method = build(TripletConfig(head="5", mining=mining, margin=0.3, squared=squared, normalise=normalise))
    z = projections(method, normalise=normalise)
    terms = []
    for a in range(16):
        d = (z - z[a]).norm(dim=1)
        near, others = float(d[(a + 8) % 16]), sorted(float(d[j]) for j in range(16) if j % 8 != a % 8)
        beyond = [far for far in others if far > near] or others[-1:]
        chosen = {"all": others, "batch_hard": others[:1], "semi_hard": beyond[:1]}[mining]
        terms += [max(0.0, near ** (1 + squared) - far ** (1 + squared) + 0.3) for far in chosen]
    loss = method.loss(views(), torch.arange(8), AT)["loss"]
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


@pytest.mark.parametrize(
    "config", [MarginContrastiveConfig(head="5"), TripletConfig(head="5"), DistanceWeightedConfig(head="5")]
)
def test_identity_comes_from_views_and_never_from_which_clips_they_are(config):
    method = build(config)
    losses = []
    for index in (torch.arange(8), torch.zeros(8, dtype=torch.int64)):
        torch.manual_seed(2)
        losses.append(method.loss(views(), index, AT)["loss"].detach())
    assert torch.equal(*losses)


def test_the_boundary_is_learnt_at_its_own_rate():
    method = build(DistanceWeightedConfig(head="5", boundary=0.3, boundary_rate=50.0))
    optimiser = torch.optim.SGD(parameter_groups(method, 0.1, False, method.rates()), lr=1.0)
    set_lr(optimiser, 1e-3, 1.0)
    method.loss(views(), torch.arange(8), AT)["loss"].backward()
    gradient = method.boundary.grad.clone()
    assert gradient < 0, "distances are far beyond 0.3, so the boundary must grow"
    optimiser.step()
    assert method.boundary.item() == pytest.approx(0.3 - 50 * 1e-3 * gradient.item(), rel=1e-6)
    assert "boundary" in method.state_dict()


@pytest.mark.parametrize(
    ("config", "fields", "told"),
    [
        (MarginContrastiveConfig, {"normalise": True, "margin": 2.5}, "at most 2 apart"),
        (MarginContrastiveConfig, {"margin": 0}, "margin"),
        (TripletConfig, {"margin": 0}, "margin"),
        (TripletConfig, {"margin": "hard"}, "margin"),
        (TripletConfig, {"mining": "hard"}, "mining"),
        (DistanceWeightedConfig, {"cutoff": 1.4}, "below far"),
        (DistanceWeightedConfig, {"far": 2.0}, "far"),
    ],
)
def test_values_that_make_no_loss_are_refused(config, fields, told):
    with pytest.raises(ValidationError, match=told):
        config(**fields)

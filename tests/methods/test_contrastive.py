"""What the contrastive methods promise beyond their losses."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from audiossl.methods.base import At, Method
from audiossl.methods.build import build_method
from audiossl.methods.losses.contrastive import decoupled, hard_negatives, ntxent
from audiossl.recipe.methods import SimClrConfig
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

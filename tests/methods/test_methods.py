"""What every method promises, whatever its loss."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from audiossl.methods.base import At, Method
from audiossl.methods.build import METHODS, build_method
from audiossl.recipe.methods import BarlowTwinsConfig, MethodConfig, SimClrConfig
from tests.methods.cases import CASES

N, DIM = 8, 6
AT = At(step=0, steps=10, epoch=0.0)
CONFIGS = [SimClrConfig(head="16 bn relu 5"), BarlowTwinsConfig(head="16 bn relu 5")]
every_method = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


class Small(nn.Module):
    """An encoder of spectrograms (N, 1, 4, 5) with a norm; keeps the sizes of the batches it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(20, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, DIM))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.net(x)


def build(config) -> Method:
    torch.manual_seed(0)
    return build_method(config, Small(), DIM, 100).train()


def two_views() -> list[Tensor]:
    return list(torch.randn(2, N, 1, 4, 5, generator=torch.Generator().manual_seed(1)))


def test_every_method_of_the_recipe_is_tried_here():
    union = get_args(get_args(MethodConfig)[0])
    assert set(union) == set(METHODS) == {type(case.config) for case in CASES}


@every_method
def test_the_loss_is_a_finite_scalar_whose_gradient_reaches_every_parameter(config):
    method = build(config)
    loss = method.loss(two_views(), torch.arange(N), AT)["loss"]
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    trained = [(name, weight) for name, weight in method.named_parameters() if weight.requires_grad]
    without = [name for name, weight in trained if weight.grad is None or not weight.grad.isfinite().all()]
    assert not without
    # A bias with only linear layers before the next BatchNorm has no gradient but rounding; all other parameters move.
    before_norm = {"encoder.net.1.bias", "encoder.net.4.bias", "head.0.bias"}
    if config.name == "barlow_twins":
        before_norm.add(f"head.{len(method.head) - 1}.bias")  # its loss standardises the head's output
    still = {name for name, weight in trained if not weight.grad.abs().max() > 1e-6}
    assert still <= before_norm


@every_method
def test_bf16_autocast_gives_nearly_the_same_loss_in_float32(config):
    exact = build(config).loss(two_views(), torch.arange(N), AT)["loss"]
    method = build(config)
    with torch.autocast("cpu", torch.bfloat16):
        rough = method.loss(two_views(), torch.arange(N), AT)["loss"]
    rough.backward()
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.1)
    assert all(weight.grad.isfinite().all() for weight in method.parameters())


@every_method
def test_batch_norm_sees_one_view_at_a_time(config):
    method, views = build(config), two_views()
    views[1] = views[1] * 3 + 5
    loss = method.loss(views, torch.arange(N), AT)["loss"]
    assert [len(x) for x in method.encoder.seen] == [N, N]
    norm = method.encoder.net[2]
    assert norm.num_batches_tracked == 2
    # Running mean after both passes: 0.9 * (0.1 * mean of view 1) + 0.1 * mean of view 2.
    first, second = (method.encoder.net[:2](view).mean(dim=0) for view in views)
    assert torch.allclose(norm.running_mean, 0.09 * first + 0.1 * second, atol=1e-5)
    together = build(config)
    z1, z2 = together.head(together.encoder(torch.cat(views))).chunk(2)
    together.project = lambda _: [z1, z2]
    assert together.loss(views, torch.arange(N), AT)["loss"].item() != pytest.approx(loss.item(), rel=1e-3)


@every_method
def test_nothing_is_drawn_or_kept_between_two_losses_of_the_same_batch(config):
    method = build(config)
    first, second = (method.loss(two_views(), torch.arange(N), AT)["loss"] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("n", [2, 8, 64])
@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_simclr_of_a_constant_encoder_is_log_of_the_candidates(n, temperature):
    method = build(SimClrConfig(head="5", temperature=temperature))
    method.encoder = constant_encoder(torch.ones(DIM))
    view = torch.randn(n, 1, 4, 5, generator=torch.Generator().manual_seed(2))
    loss = method.loss([view, view], torch.arange(n), AT)["loss"]
    assert loss.item() == pytest.approx(math.log(2 * n - 1), abs=1e-5)


def constant_encoder(vector: Tensor) -> nn.Module:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return vector.expand(len(x), -1)

    return Constant()


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        (SimClrConfig, "temperature", 0),
        (SimClrConfig, "temperature", -0.1),
        (SimClrConfig, "temperature", float("nan")),
        (SimClrConfig, "head", "bn relu 512"),
        (SimClrConfig, "head", "512 gelu 512"),
        (BarlowTwinsConfig, "off_diagonal_weight", 0),
    ],
)
def test_values_that_make_no_loss_are_refused(config, field, value):
    with pytest.raises(ValidationError, match=field):
        config(**{field: value})

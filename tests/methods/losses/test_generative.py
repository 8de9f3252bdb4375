"""Generative losses against reference values and gradients, closed forms, and slow loops."""

from __future__ import annotations

import math

import pytest
import torch

from audiossl.methods.losses.generative import (
    active_units,
    gaussian_error,
    hinge_discriminator,
    hinge_generator,
    squared_error,
    transform_error,
    vae_kl,
)
from tests.methods.losses.reference import check

GROUPS = {"vae_kl": lambda params, mean, z2: vae_kl(mean, 0.1 * z2)}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def some(*shape: int) -> torch.Tensor:
    """True in some places of each clip."""
    return draw(*shape, seed=9) > 0


@pytest.mark.shared
def test_every_reference_value_and_gradient_is_met(shared):
    assert check(shared, GROUPS) == 2


def test_kl_of_a_standard_normal_is_zero_and_so_is_its_gradient():
    mean, log_variance = torch.zeros(2, 8, 5, requires_grad=True)
    mean.retain_grad()
    log_variance.retain_grad()
    kl = vae_kl(mean, log_variance)
    kl.backward()
    assert kl == 0
    assert not mean.grad.any()
    assert not log_variance.grad.any()


@pytest.mark.parametrize(("mean", "variance"), [(3.0, 1.0), (0.0, 4.0), (-2.0, 0.25)])
def test_kl_is_summed_over_dimensions_and_averaged_over_clips(mean, variance):
    one = 0.5 * (mean**2 + variance - 1 - math.log(variance))
    kl = vae_kl(torch.full((6, 5), mean), torch.full((6, 5), math.log(variance)))
    assert kl.item() == pytest.approx(5 * one, rel=1e-6)


def test_kl_in_float32_keeps_its_digits_next_to_the_standard_normal():
    tiny = torch.full((4, 3), 1e-4)
    assert vae_kl(torch.zeros(4, 3), tiny).item() == pytest.approx(3 * 0.25e-8, rel=2e-2)


def test_squared_error_equals_a_slow_loop_over_the_places_that_count():
    rebuilt, target, where = draw(5, 1, 4, 6), draw(5, 1, 4, 6, seed=1), some(5, 1, 4, 6)
    clips = []
    for n in range(5):
        places = [(f, t) for f in range(4) for t in range(6) if where[n, 0, f, t]]
        clips.append(sum(float(rebuilt[n, 0, f, t] - target[n, 0, f, t]) ** 2 for f, t in places) / len(places))
    assert squared_error(rebuilt, target, where).item() == pytest.approx(sum(clips) / 5, rel=1e-12)


def test_a_place_counts_in_every_channel():
    rebuilt, target, where = draw(5, 3, 4, 6), draw(5, 3, 4, 6, seed=1), some(5, 1, 4, 6)
    everywhere = where.expand(5, 3, 4, 6)
    assert squared_error(rebuilt, target, where).item() == pytest.approx(
        squared_error(rebuilt, target, everywhere).item(), rel=1e-12
    )
    same = squared_error(rebuilt[:, :1].expand(5, 3, 4, 6), target[:, :1].expand(5, 3, 4, 6), where)
    assert same.item() == pytest.approx(squared_error(rebuilt[:, :1], target[:, :1], where).item(), rel=1e-12)


def test_squared_error_everywhere_is_the_error_where_all_places_count():
    rebuilt, target = draw(3, 1, 4, 6), draw(3, 1, 4, 6, seed=1)
    everywhere = torch.ones(3, 1, 4, 6, dtype=torch.bool)
    assert squared_error(rebuilt, target).item() == pytest.approx(squared_error(rebuilt, target, everywhere).item())
    assert squared_error(target, target) == 0


def test_squared_error_ignores_the_other_places_even_where_they_are_not_finite():
    rebuilt, target, where = draw(5, 1, 4, 6).requires_grad_(), draw(5, 1, 4, 6, seed=1), some(5, 1, 4, 6)
    other = target.masked_fill(~where, torch.inf)
    assert squared_error(rebuilt, target, where) == squared_error(rebuilt, other, where)
    squared_error(rebuilt, target, where).backward()
    assert not rebuilt.grad[~where].any()
    assert rebuilt.grad[where].all()


def test_gaussian_error_is_the_density_of_a_unit_normal_summed_over_places():
    rebuilt, target = draw(3, 1, 4, 6), draw(3, 1, 4, 6, seed=1)
    density = torch.distributions.Normal(rebuilt, 1).log_prob(target).sum(dim=(1, 2, 3)).mean()
    constant = 0.5 * 24 * math.log(2 * math.pi)
    assert gaussian_error(rebuilt, target).item() == pytest.approx(-density.item() - constant, rel=1e-12)


def test_units_are_active_where_their_mean_varies_over_the_clips():
    means = draw(64, 6) * torch.tensor([1, 1, 0.2, 0.02, 0, 0]) + 5
    assert active_units(means) == 3
    assert active_units(torch.ones(64, 6)) == 0


@pytest.mark.parametrize("n", [1, 7])
def test_hinge_at_scores_of_zero_is_two_and_the_generators_zero(n):
    assert hinge_discriminator(torch.zeros(n), torch.zeros(n)) == 2
    assert hinge_generator(torch.zeros(n)) == 0


def test_hinge_beyond_its_margins_is_zero_without_gradient():
    real = torch.tensor([1.0, 3.0], requires_grad=True)
    fake = torch.tensor([-1.5, -9.0], requires_grad=True)
    loss = hinge_discriminator(real, fake)
    loss.backward()
    assert loss == 0
    assert not real.grad[1:].any()
    assert not fake.grad.any()


def test_hinge_equals_a_slow_loop():
    real, fake = 2 * draw(9), 2 * draw(9, seed=1)
    by_hand = sum(max(0.0, 1 - float(r)) for r in real) / 9 + sum(max(0.0, 1 + float(f)) for f in fake) / 9
    assert hinge_discriminator(real, fake).item() == pytest.approx(by_hand, rel=1e-12)


def test_transforms_that_are_not_told_apart_cost_log_4():
    assert transform_error(torch.ones(8, 4), torch.arange(8) % 4).item() == pytest.approx(math.log(4))


PICTURES = {
    "squared_error": lambda a, b: squared_error(a, b, some(*a.shape)),
    "gaussian_error": gaussian_error,
    "vae_kl": lambda a, b: vae_kl(a.flatten(1), b.flatten(1)),
    "hinge": lambda a, b: hinge_discriminator(a.flatten(), b.flatten()) + hinge_generator(b.flatten()),
    "transform": lambda a, b: transform_error(torch.cat([a, b]).flatten(1), torch.arange(2 * len(a))),
}
every_loss = pytest.mark.parametrize("loss", PICTURES.values(), ids=PICTURES.keys())


@every_loss
def test_gradients_are_those_of_finite_differences(loss):
    a, b = draw(3, 1, 2, 4).requires_grad_(), draw(3, 1, 2, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(loss, (a, b))


@every_loss
@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_half_precision_in_gives_float32_out(loss, dtype, scale):
    a, b = (scale * draw(3, 1, 32, 32)).to(dtype), (scale * draw(3, 1, 32, 32, seed=1)).to(dtype)
    with torch.autocast("cpu", dtype):
        value = loss(a.requires_grad_(), b.requires_grad_())
    value.backward()
    assert value.dtype == torch.float32
    assert value == loss(a.detach().float(), b.detach().float())
    assert torch.isfinite(value)
    assert a.grad.isfinite().all()
    assert b.grad.isfinite().all()

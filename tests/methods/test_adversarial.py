"""SS-GAN: whose gradient goes where, whose statistics are kept, and what a transform is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from audiossl.errors import RecipeError
from audiossl.methods.adversarial import frozen, turn
from audiossl.methods.base import At
from audiossl.methods.build import build_method
from audiossl.recipe.methods import SsGanConfig
from audiossl.training.optim import parameter_groups

N, DIM = 8, 6
AT = At(step=0, steps=10, epoch=0.0)


class WithMemory(nn.Module):
    """An encoder with a norm, a recurrent layer, and a constant that takes no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 5, 4, stride=4), nn.BatchNorm2d(5), nn.ReLU())
        self.memory = nn.GRU(5, DIM, batch_first=True)
        self.constant = nn.Parameter(torch.ones(DIM), requires_grad=False)

    def forward(self, x):
        frames = self.features(x).mean(dim=2).transpose(1, 2)
        return self.memory(frames)[0].mean(dim=1) * self.constant


def build(**options):
    torch.manual_seed(0)
    return build_method(SsGanConfig(generator=(8, 4), noise=4, **options), WithMemory(), DIM, 100).train()


def clips(bands=8, frames=16, seed=1):
    return torch.randn(N, 1, bands, frames, generator=torch.Generator().manual_seed(seed))


def fake_of(method):
    return method.generator(torch.randn(N, 4), (8, 16))


def discriminator(method):
    return [w for part in (method.encoder, method.realness, method.transform) for w in part.parameters()]


def reached(parameters):
    return [weight.grad is not None for weight in parameters if weight.requires_grad]


every_precision = pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["float32", "bf16"])


def autocast(dtype):
    return torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None)


@every_precision
def test_the_discriminators_loss_gives_the_generator_no_gradient(dtype):
    method = build()
    with autocast(dtype):
        method.discriminator_loss(clips(), fake_of(method).detach())["discriminator"].backward()
    assert not any(reached(method.generator.parameters()))
    assert all(reached(discriminator(method)))


@every_precision
def test_the_generators_loss_gives_the_discriminator_no_gradient(dtype):
    method = build(alpha=1)
    with autocast(dtype):
        method.discriminator_loss(clips(), fake_of(method).detach())
        method.generator_loss(fake_of(method)).backward()
    assert not any(reached(discriminator(method)))
    assert all(reached(method.generator.parameters()))
    assert all(weight.grad.any() for weight in method.generator.parameters())


@every_precision
def test_in_the_sum_each_player_gets_the_gradient_of_its_own_loss_alone(dtype):
    def gradients(loss, method, player):
        method.zero_grad()
        loss.backward()
        return [weight.grad.clone() for weight in player(method) if weight.requires_grad]

    def parts(method):
        torch.manual_seed(3)
        noise = torch.randn(N, 4)
        fake = method.generator(noise, (8, 16))
        return method.discriminator_loss(clips(), fake.detach())["discriminator"], method.generator_loss(fake)

    method = build()
    with autocast(dtype):
        own = gradients(parts(method)[0], method, discriminator)
        own += gradients(parts(method)[1], method, lambda method: method.generator.parameters())
        torch.manual_seed(3)
        total = method.loss([clips()], torch.arange(N), AT)["loss"]
    seen = gradients(total, method, lambda method: [*discriminator(method), *method.generator.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(seen, own, strict=True))


def test_transforms_of_real_clips_never_reach_the_generator_and_those_of_fakes_do():
    method = build(beta=1e6, alpha=0)
    torch.manual_seed(3)
    method.loss([clips()], torch.arange(N), AT)["loss"].backward()
    loud = [weight.grad.clone() for weight in method.generator.parameters()]
    quiet, heard = build(beta=0, alpha=0), build(beta=0, alpha=1)
    for other in (quiet, heard):
        torch.manual_seed(3)
        other.loss([clips()], torch.arange(N), AT)["loss"].backward()
    assert all(torch.equal(a, w.grad) for a, w in zip(loud, quiet.generator.parameters(), strict=True))
    assert not any(torch.equal(a, w.grad) for a, w in zip(loud, heard.generator.parameters(), strict=True))


def test_transforms_of_fakes_teach_the_discriminator_nothing():
    some, none = build(alpha=1e6), build(alpha=0)
    for method in (some, none):
        torch.manual_seed(3)
        method.loss([clips()], torch.arange(N), AT)["loss"].backward()
    pairs = zip(discriminator(some), discriminator(none), strict=True)
    assert all(torch.equal(a.grad, b.grad) for a, b in pairs if a.requires_grad)


def test_batch_norm_keeps_the_statistics_of_real_clips_alone():
    method, alone = build(), build()
    method.loss([clips()], torch.arange(N), AT)
    alone.encoder(clips())
    kept, expected = dict(method.encoder.named_buffers()), dict(alone.encoder.named_buffers())
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[name], expected[name]) for name in kept)
    assert method.encoder.features[1].num_batches_tracked == 1


def test_a_discriminator_that_says_nothing_has_a_hinge_of_two_and_log_4_on_transforms():
    method = build(beta=1, alpha=0.2)
    with torch.no_grad():
        for head in (method.realness, method.transform):
            head.weight.zero_()
            head.bias.zero_()
    losses = method.loss([clips()], torch.arange(N), AT)
    assert losses["discriminator"].item() == pytest.approx(2 + math.log(4))
    assert losses["generator"].item() == pytest.approx(0.2 * math.log(4))
    assert losses["loss"].item() == pytest.approx((losses["discriminator"] + losses["generator"]).item())


@pytest.mark.parametrize("every", [1, 3])
def test_the_generator_moves_at_its_own_steps_and_the_discriminator_at_each(every):
    method = build(generator_every=every)
    optimiser = torch.optim.Adam(parameter_groups(method, 0.0, False, method.rates()), 1e-2)
    for step in range(6):
        before = [method.generator.start.weight.clone(), method.realness.weight.clone()]
        optimiser.zero_grad()
        losses = method.loss([clips(seed=step)], torch.arange(N), At(step, 6, 0.0))
        losses["loss"].backward()
        optimiser.step()
        moved = not torch.equal(before[0], method.generator.start.weight)
        assert moved == ("generator" in losses) == (step % every == 0)
        assert not torch.equal(before[1], method.realness.weight)


def test_the_generator_has_a_learning_rate_of_its_own():
    method = build(generator_rate=0.25)
    factors = {id(w): g["factor"] for g in parameter_groups(method, 0.0, False, method.rates()) for w in g["params"]}
    assert all(factors[id(weight)] == 0.25 for weight in method.generator.parameters())
    assert all(factors[id(weight)] == 1 for weight in discriminator(method) if weight.requires_grad)


def test_what_was_frozen_thaws_even_after_an_error_and_constants_stay_constant():
    encoder = WithMemory()
    with pytest.raises(ZeroDivisionError), frozen(encoder):
        assert not any(weight.requires_grad for weight in encoder.parameters())
        raise ZeroDivisionError
    assert [name for name, weight in encoder.named_parameters() if not weight.requires_grad] == ["constant"]


@pytest.mark.parametrize("transforms", ["flips", "rotations"])
def test_every_clip_is_turned_as_its_label_says_and_all_transforms_are_as_many(transforms):
    x = clips(8, 8)
    torch.manual_seed(0)
    turned, label = turn(x, transforms)
    flips = [[], [3], [2], [2, 3]]
    for n in range(N):
        k = int(label[n])
        clip = x[n : n + 1]
        assert torch.equal(turned[n : n + 1], clip.flip(flips[k]) if transforms == "flips" else clip.rot90(k, (2, 3)))
    assert label.bincount().tolist() == [2, 2, 2, 2]


def test_rotations_of_what_is_not_square_are_refused_in_words():
    with pytest.raises(RecipeError, match="write transforms: flips"):
        turn(clips(8, 16), "rotations")

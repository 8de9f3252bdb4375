"""What pretext tasks do to a clip: exact where it can be, and without a trace that only the doing left."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch.nn import functional as F

from audiossl.errors import RecipeError
from audiossl.methods.changes import POWERS, transformed, turns
from audiossl.recipe.methods.pretext import Transform

EVERY = list(get_args(Transform))
FLIPS = ["identity", "time_reversal", "frequency_flip", "both"]
SCALED = ["identity", "faster", "slower", "higher", "lower"]


def noise(n=3, bands=64, frames=96, seed=0):
    return torch.randn(n, 1, bands, frames, generator=torch.Generator().manual_seed(seed))


def test_four_quarter_turns_are_the_identity_and_two_are_both_flips():
    x = noise(frames=64)
    zero, quarter, half, back = turns(x)
    assert torch.equal(zero, x)
    assert torch.equal(turns(turns(quarter)[1])[2], x)
    assert torch.equal(turns(quarter)[3], x)
    assert torch.equal(turns(back)[1], x)
    assert torch.equal(half, transformed(x, FLIPS, 1.25, 2.0)[3])


def test_a_quarter_turn_is_anticlockwise():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert turns(x)[1].tolist() == [[[[2.0, 4.0], [1.0, 3.0]]]]


@pytest.mark.parametrize("name", FLIPS[1:])
def test_flips_are_exact_involutions(name):
    x = noise()
    kept, once = transformed(x, ["identity", name], 1.25, 2.0)
    assert torch.equal(kept, x)
    assert not torch.equal(once, x)
    assert torch.equal(transformed(once, ["identity", name], 1.25, 2.0)[1], x)


def test_time_reversal_turns_time_and_frequency_flip_turns_bands():
    x = noise()
    _, reverse, flip, both = transformed(x, FLIPS, 1.25, 2.0)
    assert torch.equal(reverse[..., 0], x[..., -1])
    assert torch.equal(flip[..., 0, :], x[..., -1, :])
    assert torch.equal(both, reverse.flip(2))


@pytest.mark.parametrize("names", [EVERY, SCALED, ["identity", "faster"], ["slower", "time_reversal"]])
def test_all_classes_have_one_shape_and_all_bands(names):
    shapes = {copy.shape for copy in transformed(noise(), names, 1.25, 2.0)}
    assert len(shapes) == 1
    assert shapes.pop()[:3] == (3, 1, 64)


def test_a_constant_stays_constant_in_every_class():
    copies = transformed(torch.full((2, 1, 64, 96), -3.5), EVERY, 1.25, 2.0)
    assert torch.allclose(torch.stack(copies), torch.tensor(-3.5))


def test_every_class_has_the_mean_of_its_clip_and_one_deviation():
    x = noise() * 4 + 7
    copies = torch.stack(transformed(x, EVERY, 1.25, 2.0))
    assert torch.allclose(copies.mean(dim=(2, 3, 4)), x.mean(dim=(1, 2, 3)).expand(8, 3), atol=1e-4)
    deviation = copies.std(dim=(2, 3, 4))
    assert torch.allclose(deviation, deviation[0].expand(8, 3), rtol=1e-4)


@pytest.mark.parametrize(("name", "factor"), [("faster", 1.25), ("slower", 1 / 1.25)])
def test_tempo_moves_events_to_where_the_factor_says(name, factor):
    x = torch.zeros(1, 1, 64, 200)
    x[..., 100] = 1.0
    kept, changed = transformed(x, ["identity", name], 1.25, 2.0)
    margin = 100 - kept[0, 0, 0].argmax().item()
    assert changed[0, 0, 0].argmax().item() == pytest.approx(100 / factor - margin, abs=0.5)
    assert torch.equal(changed[:, :, :1].expand_as(changed), changed)


@pytest.mark.parametrize(("name", "factor"), [("higher", 1.25), ("lower", 1 / 1.25)])
def test_rate_moves_bands_by_the_factor_and_leaves_the_others_in_place(name, factor):
    x = torch.zeros(1, 1, 64, 96)
    x[:, :, 24] = 1.0
    kept, changed = transformed(x, ["identity", name], 1.25, 2.0)
    assert kept[0, 0, :, 0].argmax().item() == 24
    assert changed[0, 0, :, 0].argmax().item() == pytest.approx(24 * factor, abs=0.5)


def test_bands_that_a_class_lacks_are_filled_alike_in_all():
    x = noise()
    copies = torch.stack(transformed(x, EVERY, 1.25, 2.0))
    filled = (copies == copies[..., :1]).all(dim=-1).all(dim=2)
    assert filled.any()
    assert torch.equal(filled, filled[:1, :1].expand_as(filled))
    assert torch.allclose(copies[:, :, 0, 0, 0], x.mean(dim=(1, 2, 3)).expand(8, 3), atol=1e-5)


def statistics(x_NCFT):
    """Mean, deviation, steps and autocovariance along both axes: what interpolation and padding change."""
    x = x_NCFT[:, 0]
    seen = [x.mean(dim=(1, 2)), x.std(dim=(1, 2)), x.amax(dim=(1, 2)), x.amin(dim=(1, 2))]
    for axis in (1, 2):
        for lag in (1, 2, 4):
            size = x.shape[axis]
            seen.append((x.narrow(axis, 0, size - lag) * x.narrow(axis, lag, size - lag)).mean(dim=(1, 2)))
        ends = x.select(axis, 0), x.select(axis, -1)
        seen += [end.abs().mean(dim=1) for end in ends]
    return torch.stack(seen, dim=1)


def probe(make, classes):
    """Accuracy on new noise of a linear probe on `statistics` of `make(noise)`, which gives one copy per class."""
    sets = []
    for seed in (0, 1):
        copies = make(noise(300, 48, 64, seed))
        answers = torch.arange(classes).repeat_interleave(300)
        sets.append((torch.cat([statistics(copy) for copy in copies]).double(), answers))
    (train, told), (test, answers) = sets
    mean, deviation = train.mean(dim=0), train.std(dim=0) + 1e-9
    train, test = (torch.cat([(x - mean) / deviation, torch.ones(len(x), 1)], dim=1) for x in (train, test))
    weights = torch.linalg.lstsq(train, F.one_hot(told, classes).double(), driver="gelsd").solution
    return ((test @ weights).argmax(dim=1) == answers).double().mean().item()


def test_white_noise_does_not_tell_its_class_to_a_probe_of_simple_statistics():
    assert probe(lambda x: transformed(x, EVERY, 1.25, 2.0), 8) < 1 / 8 + 0.025


def test_plain_interpolation_would_tell_it():
    def plain(x):
        scaled = [F.interpolate(x, scale_factor=(1, scale), mode="bilinear") for scale in (1.25, 0.8)]
        return [x[..., :51], *(copy[..., :51] for copy in scaled)]

    assert probe(plain, 3) > 0.9


def test_too_few_frames_for_a_tempo_change_are_refused_in_words():
    with pytest.raises(RecipeError, match=r"14 frames are too few to change tempo.*crop_s"):
        transformed(noise(frames=14), ["identity", "faster"], 1.25, 2.0)


def test_every_transform_but_flips_and_identity_has_its_powers():
    assert set(EVERY) == set(FLIPS) | set(POWERS)

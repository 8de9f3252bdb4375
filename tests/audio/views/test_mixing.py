from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.audio.views.mixing import OCTAVES, Log, MixBack
from audiossl.audio.views.partners import draw_partners
from audiossl.errors import UsageError
from audiossl.recipe.spectrogram_views import MixBackConfig
from tests.draws import draws

TO_POWER = {"ln": np.exp, "log10": lambda x: 10.0**x, "db": lambda x: 10.0 ** (x / 10)}
FROM_POWER = {"ln": np.log, "log10": np.log10, "db": lambda p: 10 * np.log10(p)}


@pytest.mark.parametrize("log", ["ln", "log10", "db"])
def test_mix_back_is_the_papers_equation_in_each_logarithm(log: Log) -> None:
    x = torch.randn(4, 1, 5, 7) * 2 - 3
    partner, alpha = torch.tensor([2, 3, 1, 0]), torch.tensor([0.0, 0.05, 0.3, 0.9])
    found = MixBack(MixBackConfig(), log).apply(x, partner=partner, alpha=alpha)
    power = TO_POWER[log](x.double().numpy())
    for n in range(4):
        fore, back, a = power[n], power[partner[n]], alpha[n].item()
        expected = FROM_POWER[log]((1 - a) * fore + a * fore.mean() / back.mean() * back)
        np.testing.assert_allclose(found[n], expected, rtol=0, atol=5e-6)


def test_mix_back_of_powers_no_float_can_hold_is_finite_and_exact_where_the_foreground_rules() -> None:
    x = torch.stack([torch.full((1, 3, 4), level) for level in (300.0, -300.0)])
    found = MixBack(MixBackConfig(), "log10").apply(x, partner=torch.tensor([1, 0]), alpha=torch.tensor([0.05, 0.05]))
    torch.testing.assert_close(found, x)
    cliff = torch.tensor([0.0, -200.0]).view(1, 1, 1, 2).repeat(2, 1, 1, 1)
    mixed = MixBack(MixBackConfig(), "log10").apply(cliff, partner=torch.tensor([1, 0]), alpha=torch.zeros(2))
    assert mixed.isfinite().all()


def test_mix_back_keeps_the_energy() -> None:
    x = torch.randn(6, 1, 8, 9)
    view = MixBack(MixBackConfig(alpha=0.5), "ln")
    energy = view(x, draws()).exp().sum(dim=(1, 2, 3))
    torch.testing.assert_close(energy, x.exp().sum(dim=(1, 2, 3)))


def test_one_share_for_both_views_or_one_each() -> None:
    x = torch.randn(20, 1, 3, 3)
    first, second = MixBack(MixBackConfig(), "ln").draw(x, draws(views=2))["alpha"].view(2, 10)
    assert torch.equal(first, second)
    first, second = MixBack(MixBackConfig(shared=False), "ln").draw(x, draws(views=2))["alpha"].view(2, 10)
    assert not torch.equal(first, second)
    for alpha in (first, second):
        assert alpha.min() >= 0 and alpha.max() <= 0.05
    assert len(set(first.tolist())) == 10


@pytest.mark.parametrize(("clips", "views"), [(2, 1), (2, 2), (3, 2), (7, 2), (7, 3), (4, 5)])
def test_partners_are_other_clips_in_the_same_view(clips: int, views: int) -> None:
    partner = draw_partners(views * clips, draws(views=views), "mix_back").view(views, clips)
    assert torch.equal(partner // clips, torch.arange(views)[:, None].expand(views, clips))
    assert not (partner % clips == torch.arange(clips)).any()
    if clips > views:
        for clip in (partner % clips).T.tolist():
            assert len(set(clip)) == views


def test_partners_are_uniform_over_the_other_clips() -> None:
    clips, rounds = 4, 3000
    counts = torch.zeros(clips, clips)
    for seed in range(rounds):
        partner = draw_partners(2 * clips, draws(seed, views=2), "mix_back").view(2, clips) % clips
        for view in partner:
            counts[torch.arange(clips), view] += 1
    share = counts / (2 * rounds)
    assert share.diagonal().abs().max() == 0
    assert (share[~torch.eye(clips, dtype=torch.bool)] - 1 / 3).abs().max() < 0.03


def test_one_clip_has_no_other_to_be_mixed_with() -> None:
    with pytest.raises(UsageError, match="mix_back mixes a clip with another one of the batch, which has one clip"):
        MixBack(MixBackConfig(), "ln")(torch.zeros(2, 1, 3, 3), draws(views=2))


def test_octaves_are_the_powers_of_two_in_a_unit() -> None:
    assert {log: 2**octaves for log, octaves in OCTAVES.items()} == pytest.approx(
        {"ln": np.e, "log10": 10, "db": 10**0.1}
    )

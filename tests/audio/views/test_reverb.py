from __future__ import annotations

import numpy as np
import torch

from audiossl.audio.views.reverb import Reverb
from audiossl.recipe.waveform_views import ReverbConfig
from tests.draws import draws

RATE = 8000


def test_reverb_is_the_dry_sound_and_its_convolution_at_the_same_energy() -> None:
    view = Reverb(ReverbConfig(), RATE)
    x, wet = torch.randn(2, 500), torch.tensor([0.2, 0.9])
    drawn = {**view.draw(x, draws()), "wet": wet}
    found = view.apply(x, **drawn)
    room = view.room(drawn["noise"], drawn["rt60_s"]).double().numpy()
    for n in range(2):
        dry = x[n].double().numpy()
        mixed = (1 - wet[n].item()) * dry + wet[n].item() * np.convolve(dry, room[n])[:500]
        np.testing.assert_allclose(found[n], mixed * np.linalg.norm(dry) / np.linalg.norm(mixed), rtol=0, atol=1e-5)


def test_rooms_fall_by_60_decibels_within_their_time_and_have_unit_energy() -> None:
    rt60_s = torch.tensor([0.1, 0.4])
    room = Reverb(ReverbConfig(), RATE).room(torch.ones(2, RATE), rt60_s)
    level_db = 20 * torch.log10(room / room[:, :1])
    at = (rt60_s * RATE).round().long()
    torch.testing.assert_close(level_db[[0, 1], at], torch.full((2,), -60.0), rtol=0, atol=0.01)
    torch.testing.assert_close(room.square().sum(1), torch.ones(2))


def test_silence_stays_silent() -> None:
    assert torch.equal(Reverb(ReverbConfig(), RATE)(torch.zeros(2, 50), draws()), torch.zeros(2, 50))


def test_rooms_are_as_long_as_the_longest_time_or_the_crop() -> None:
    view = Reverb(ReverbConfig(rt60_s=(0.1, 0.2)), RATE)
    assert view.draw(torch.empty(3, 5000), draws())["noise"].shape == (3, 1600)
    assert view.draw(torch.empty(3, 700), draws())["noise"].shape == (3, 700)

from __future__ import annotations

import torch

from audiossl.audio.views.wave_shifts import CircularShift, CropShift
from audiossl.recipe.waveform_views import CircularShiftConfig, CropShiftConfig
from tests.draws import draws

SHIFT = torch.tensor([0, 3, -4, 10])


def test_circular_shift_rolls_each_waveform_by_its_own_amount() -> None:
    x = torch.randn(4, 10)
    found = CircularShift(CircularShiftConfig()).apply(x, shift=SHIFT)
    for n, shift in enumerate(SHIFT.tolist()):
        assert torch.equal(found[n], x[n].roll(shift))


def test_crop_shift_leaves_silence_in_the_gap() -> None:
    x = torch.arange(1.0, 11).expand(4, 10)
    found = CropShift(CropShiftConfig()).apply(x, shift=SHIFT)
    assert torch.equal(found[0], x[0])
    assert found[1].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert found[2].tolist() == [5, 6, 7, 8, 9, 10, 0, 0, 0, 0]
    assert found[3].tolist() == [0] * 10


def test_shifts_go_both_ways_up_to_the_largest_share() -> None:
    x = torch.empty(3000, 40)
    assert set(CropShift(CropShiftConfig()).draw(x, draws())["shift"].tolist()) == set(range(-10, 11))
    assert set(CircularShift(CircularShiftConfig()).draw(x, draws())["shift"].tolist()) == set(range(-40, 41))

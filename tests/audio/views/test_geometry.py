from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.audio.views.geometry import FrequencyShift, TimeReversal, TimeShift, TimeWarp
from audiossl.recipe.spectrogram_views import (
    FrequencyShiftConfig,
    TimeReversalConfig,
    TimeShiftConfig,
    TimeWarpConfig,
)
from tests.draws import draws


def test_shifts_roll_each_example_by_its_own_amount() -> None:
    x, shift = torch.randn(4, 1, 6, 9), torch.tensor([0, 1, 5, 23])
    later = TimeShift(TimeShiftConfig()).apply(x, shift=shift)
    higher = FrequencyShift(FrequencyShiftConfig()).apply(x, shift=shift)
    for n, amount in enumerate(shift.tolist()):
        assert torch.equal(later[n], x[n].roll(amount, dims=-1))
        assert torch.equal(higher[n], x[n].roll(amount, dims=-2))


def test_shifts_are_drawn_from_one_to_the_largest() -> None:
    x = torch.empty(2000, 1, 40, 40)
    assert set(TimeShift(TimeShiftConfig()).draw(x, draws())["shift"].tolist()) == set(range(1, 30))
    assert set(FrequencyShift(FrequencyShiftConfig()).draw(x, draws())["shift"].tolist()) == set(range(1, 10))


def test_reversal_twice_is_no_change() -> None:
    x = torch.randn(2, 1, 3, 5)
    reverse = TimeReversal(TimeReversalConfig(p=1.0))
    assert torch.equal(reverse(x, draws())[..., 0], x[..., -1])
    assert torch.equal(reverse(reverse(x, draws()), draws()), x)


def test_warping_is_piecewise_linear_through_the_moved_point() -> None:
    frames = 21
    # On a ramp, what is found at a frame is the place in time it came from.
    x = torch.arange(frames, dtype=torch.float32).expand(3, 1, 2, frames)
    point, target = torch.tensor([10.0, 6.0, 12.5]), torch.tensor([10.0, 9.0, 8.25])
    found = TimeWarp(TimeWarpConfig()).apply(x, point=point, target=target)
    for n in range(3):
        expected = np.interp(np.arange(frames), [0, target[n], frames - 1], [0, point[n], frames - 1])
        np.testing.assert_allclose(found[n, 0, 1], expected, atol=1e-5)
    torch.testing.assert_close(found[0], x[0])


def test_warping_interpolates_between_neighbouring_frames() -> None:
    x = torch.randn(1, 1, 4, 16)
    found = TimeWarp(TimeWarpConfig()).apply(x, point=torch.tensor([7.0]), target=torch.tensor([9.5]))
    source = np.interp(np.arange(16), [0, 9.5, 15], [0, 7, 15])
    for band in range(4):
        expected = np.interp(source, np.arange(16), x[0, 0, band].numpy())
        np.testing.assert_allclose(found[0, 0, band], expected, atol=1e-5)


@pytest.mark.parametrize(("frames", "reach"), [(101, 5), (9, 3.6)])
def test_moves_fill_the_range_and_keep_the_order_of_time(frames: int, reach: float) -> None:
    drawn = TimeWarp(TimeWarpConfig()).draw(torch.empty(4000, 1, 2, frames), draws())
    move = drawn["target"] - drawn["point"]
    assert move.abs().max() <= reach + 1e-5
    assert move.max() > 0.99 * reach and move.min() < -0.99 * reach
    assert drawn["target"].min() > 0 and drawn["target"].max() < frames - 1

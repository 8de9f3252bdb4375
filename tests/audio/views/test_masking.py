from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.audio.views.masking import SpecAugment
from audiossl.recipe.spectrogram_views import Fill, SpecAugmentConfig
from tests.draws import draws


@pytest.mark.parametrize("fill", ["zero", "min", "mean", "max", "noise"])
def test_masks_are_laid_one_after_another_each_filled_from_what_is_there(fill: Fill) -> None:
    view = SpecAugment(SpecAugmentConfig(fill=fill, frequency_width=6, time_width=5, time_masks=3))
    x = torch.randn(5, 1, 11, 13)
    drawn = view.draw(x, draws())
    found = view.apply(x, **drawn)
    for n in range(len(x)):
        patch = x[n, 0].numpy().copy()
        for start, width in drawn["bands"][n].tolist():
            patch[start : start + width] = value(patch, fill, drawn, n)[start : start + width]
        for start, width in drawn["frames"][n].tolist():
            patch[:, start : start + width] = value(patch, fill, drawn, n)[:, start : start + width]
        np.testing.assert_allclose(found[n, 0], patch, rtol=0, atol=1e-6)


def value(patch: np.ndarray, fill: Fill, drawn: dict[str, torch.Tensor], n: int) -> np.ndarray:
    if fill == "noise":
        return patch.mean() + patch.std() * drawn["noise"][n, 0].numpy()
    constant = {"zero": 0.0, "min": patch.min(), "mean": patch.mean(), "max": patch.max()}[fill]
    return np.full_like(patch, constant)


def test_outside_the_masks_nothing_changes_by_a_bit() -> None:
    view = SpecAugment(SpecAugmentConfig(fill="mean"))
    x = torch.randn(3, 1, 40, 41)
    drawn = view.draw(x, draws())
    untouched = torch.ones(3, 40, 41, dtype=torch.bool)
    for n in range(3):
        for start, width in drawn["bands"][n].tolist():
            untouched[n, start : start + width] = False
        for start, width in drawn["frames"][n].tolist():
            untouched[n, :, start : start + width] = False
    assert torch.equal(view.apply(x, **drawn)[:, 0][untouched], x[:, 0][untouched])


def test_widths_and_starts_reach_their_limits_and_no_further() -> None:
    view = SpecAugment(SpecAugmentConfig(frequency_width=4, time_width=50, frequency_masks=3, time_masks=1))
    drawn = view.draw(torch.empty(3000, 1, 8, 9), draws())
    start, width = drawn["bands"].unbind(-1)
    assert drawn["bands"].shape == (3000, 3, 2)
    assert set(width.unique().tolist()) == {0, 1, 2, 3}
    assert set(start[width == 3].tolist()) == set(range(6))
    start, width = drawn["frames"].unbind(-1)
    assert set(width.unique().tolist()) == set(range(10))
    assert (start + width).max() == 9 and start.min() == 0


def test_low_bands_holds_frequency_masks_to_the_lowest_share() -> None:
    drawn = SpecAugment(SpecAugmentConfig(low_bands=0.25)).draw(torch.empty(2000, 1, 96, 50), draws())
    assert set(drawn["bands"][..., 0].flatten().tolist()) == set(range(24))
    assert drawn["frames"][..., 0].max() > 24


def test_no_masks_is_no_change() -> None:
    x = torch.randn(2, 1, 5, 6)
    for fill in ("min", "mean"):
        view = SpecAugment(SpecAugmentConfig(frequency_masks=0, time_masks=0, fill=fill))
        assert torch.equal(view(x, draws()), x)

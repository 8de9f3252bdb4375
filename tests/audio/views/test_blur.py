from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.audio.views.blur import Blur
from audiossl.recipe.spectrogram_views import BlurConfig
from tests.draws import draws


@pytest.mark.parametrize("sigma", [0.0, 1.3])
def test_blur_is_a_separable_gaussian_with_mirrored_borders(sigma: float) -> None:
    x = torch.randn(4, 1, 6, 9)
    radius = torch.tensor([[0, 0], [1, 2], [3, 0], [2, 3]])
    found = Blur(BlurConfig(max_size=7, sigma=sigma)).apply(x, radius=radius)
    for n, (over_bands, over_frames) in enumerate(radius.tolist()):
        expected = smooth(smooth(x[n, 0].double().numpy(), over_bands, sigma).T, over_frames, sigma).T
        np.testing.assert_allclose(found[n, 0], expected, rtol=0, atol=1e-6)


def smooth(patch: np.ndarray, radius: int, sigma: float) -> np.ndarray:
    sigma = sigma or 0.3 * (radius - 1) + 0.8
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(patch, ((radius, radius), (0, 0)), mode="reflect")
    return np.stack([np.convolve(row, weights / weights.sum(), mode="valid") for row in padded.T], axis=1)


def test_kernel_sizes_are_odd_and_drawn_apart_up_to_the_largest() -> None:
    radius = Blur(BlurConfig(max_size=6)).draw(torch.empty(500, 1, 8, 8), draws())["radius"]
    assert set(radius.flatten().tolist()) == {0, 1, 2}
    assert len({tuple(pair) for pair in radius.tolist()}) == 9


def test_kernel_longer_than_the_spectrogram_mirrors_again() -> None:
    found = Blur(BlurConfig(max_size=9, sigma=50.0)).apply(torch.eye(2)[None, None], radius=torch.tensor([[4, 0]]))
    # Nine nearly equal weights over 0 1 0 1 | 0 1 0 1 0: five or four of them on the one band that is set.
    torch.testing.assert_close(found[0, 0, :, 0], torch.tensor([5 / 9, 4 / 9]), rtol=0, atol=2e-3)

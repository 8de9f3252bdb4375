from __future__ import annotations

import pytest
import torch

from audiossl.audio.views.levels import Compression, GaussianNoise, LinearFader
from audiossl.recipe.spectrogram_views import CompressionConfig, GaussianNoiseConfig, LinearFaderConfig
from tests.draws import draws


@pytest.mark.parametrize(("alpha", "low", "high"), [(0.75, 0.75, 1.0), (1.5, 1.0, 1.5), (1.0, 1.0, 1.0)])
def test_compression_multiplies_each_example_by_its_own_factor(alpha: float, low: float, high: float) -> None:
    x = torch.randn(500, 1, 2, 3) - 5
    factor = Compression(CompressionConfig(alpha=alpha))(x, draws()) / x
    torch.testing.assert_close(factor, factor[:, :1, :1, :1].expand_as(factor))
    assert factor.min() == pytest.approx(low, abs=0.01) and factor.max() == pytest.approx(high, abs=0.01)


def test_noise_has_a_deviation_of_its_own_for_each_example_up_to_the_largest() -> None:
    x = torch.randn(400, 1, 20, 20)
    added = GaussianNoise(GaussianNoiseConfig(std=0.5))(x, draws()) - x
    std = added.flatten(1).std(1)
    assert std.max() < 0.55 and std.min() < 0.02
    assert std.mean().item() == pytest.approx(0.25, abs=0.03)
    assert added.mean().abs() < 0.01


def test_fader_adds_a_straight_line_to_every_band() -> None:
    x, ends = torch.randn(2, 1, 3, 5), torch.tensor([[1.0, -1.0], [0.25, 0.5]])
    added = LinearFader(LinearFaderConfig()).apply(x, ends=ends) - x
    for n in range(2):
        line = torch.linspace(*ends[n].tolist(), 5)
        torch.testing.assert_close(added[n, 0], line.expand(3, 5), rtol=0, atol=1e-6)


def test_fader_ends_are_within_the_gain_either_way() -> None:
    ends = LinearFader(LinearFaderConfig(gain=2.0)).draw(torch.empty(2000, 1, 1, 1), draws())["ends"]
    assert -2 <= ends.min() < -1.9 and 1.9 < ends.max() <= 2

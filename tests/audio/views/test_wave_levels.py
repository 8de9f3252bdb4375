from __future__ import annotations

import pytest
import torch

from audiossl.audio.views.wave_levels import Clipping, Fade, Gain, Polarity
from audiossl.recipe.waveform_views import ClippingConfig, FadeConfig, GainConfig, PolarityConfig
from tests.draws import draws


def test_gain_is_in_decibels() -> None:
    x = torch.randn(3, 10)
    found = Gain(GainConfig()).apply(x, gain_db=torch.tensor([0.0, 20.0, -6.0206]))
    torch.testing.assert_close(found, x * torch.tensor([[1.0], [10.0], [0.5]]))


def test_gains_fill_the_range() -> None:
    gain = Gain(GainConfig(gain_db=(-3, 9))).draw(torch.empty(3000, 4), draws())["gain_db"]
    assert -3 <= gain.min() < -2.9 and 8.9 < gain.max() <= 9


def test_polarity_turns_the_waveform_upside_down() -> None:
    x = torch.randn(3, 10)
    assert torch.equal(Polarity(PolarityConfig(p=1.0))(x, draws()), -x)


@pytest.mark.parametrize(("shape", "quarter"), [("linear", 0.25), ("cosine", 0.1464466)])
def test_fades_rise_from_silence_and_fall_to_silence(shape: str, quarter: float) -> None:
    fade = Fade(FadeConfig.model_validate({"shape": shape}))
    found = fade.apply(torch.ones(2, 101), share=torch.tensor([[40 / 101, 20 / 101], [0.0, 0.0]]))
    assert found[0, [0, 100]].tolist() == [0, 0]
    assert found[0, 10].item() == pytest.approx(quarter, abs=1e-5)
    assert found[0, 95].item() == pytest.approx(quarter, abs=1e-5)
    torch.testing.assert_close(found[0, 40:81], torch.ones(41))
    assert (found[0, :41].diff() > 0).all() and (found[0, 80:].diff() < 0).all()
    torch.testing.assert_close(found[1, 1:-1], torch.ones(99))


def test_clipping_is_at_a_share_of_the_peak() -> None:
    x = torch.tensor([[1.0, -4.0, 2.0], [0.5, 0.1, -0.2]])
    found = Clipping(ClippingConfig()).apply(x, threshold=torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(found, torch.tensor([[1.0, -2.0, 2.0], [0.25, 0.1, -0.2]]))

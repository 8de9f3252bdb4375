from __future__ import annotations

import pytest
import torch

from audiossl.audio.views.wave_mixing import ColouredNoise, MixAtSnr, WhiteNoise, coloured
from audiossl.errors import UsageError
from audiossl.recipe.waveform_views import ColouredNoiseConfig, MixAtSnrConfig, WhiteNoiseConfig
from tests.draws import draws

X = torch.randn(4, 300, generator=torch.Generator().manual_seed(1)) * torch.tensor([[1.0], [0.1], [5.0], [1e-3]])
SNR_DB = torch.tensor([0.0, 10.0, -5.0, 30.0])


def snr_db(signal: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(signal.square().sum(1) / (mixed - signal).square().sum(1))


def test_other_clip_is_added_at_the_ratio() -> None:
    partner = torch.tensor([1, 2, 3, 0])
    mixed = MixAtSnr(MixAtSnrConfig()).apply(X, partner=partner, snr_db=SNR_DB)
    torch.testing.assert_close(snr_db(X, mixed), SNR_DB, rtol=0, atol=0.02)
    added = torch.nn.functional.normalize(mixed - X)
    assert ((added * torch.nn.functional.normalize(X[partner])).sum(1) > 0.999).all()


def test_noise_is_added_at_the_ratio() -> None:
    noise = torch.randn(4, 300)
    white = WhiteNoise(WhiteNoiseConfig()).apply(X, noise=noise, snr_db=SNR_DB)
    pink = ColouredNoise(ColouredNoiseConfig()).apply(X, noise=noise, exponent=torch.ones(4), snr_db=SNR_DB)
    torch.testing.assert_close(snr_db(X, white), SNR_DB, rtol=0, atol=0.02)
    torch.testing.assert_close(snr_db(X, pink), SNR_DB, rtol=0, atol=0.02)


def test_silence_stays_silent_and_adds_nothing() -> None:
    x = torch.stack([torch.zeros(50), torch.randn(50)])
    mixed = MixAtSnr(MixAtSnrConfig()).apply(x, partner=torch.tensor([1, 0]), snr_db=torch.zeros(2))
    assert torch.equal(mixed, x)


@pytest.mark.parametrize("exponent", [-2.0, 0.0, 1.0, 2.0])
def test_power_of_coloured_noise_falls_with_the_exponent(exponent: float) -> None:
    noise = coloured(torch.randn(400, 2048), torch.full((400,), exponent))
    power = torch.fft.rfft(noise * torch.hann_window(2048)).abs().square().mean(0)[8:900]
    frequency = torch.arange(8.0, 900).log()
    slope = torch.linalg.lstsq(torch.stack((frequency, torch.ones(892)), 1), power.log()[:, None]).solution[0].item()
    assert slope == pytest.approx(-exponent, abs=0.1)


def test_ratios_and_exponents_fill_their_ranges() -> None:
    drawn = ColouredNoise(ColouredNoiseConfig()).draw(torch.empty(3000, 2), draws())
    for values, low, high in ((drawn["snr_db"], 3, 30), (drawn["exponent"], -2, 2)):
        assert low <= values.min() < low + 0.1 and high - 0.1 < values.max() <= high


def test_one_clip_has_no_other_to_be_mixed_with() -> None:
    with pytest.raises(UsageError, match="mix_at_snr"):
        MixAtSnr(MixAtSnrConfig())(torch.zeros(1, 9), draws())

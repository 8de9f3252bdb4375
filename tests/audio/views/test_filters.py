from __future__ import annotations

import pytest
import torch

from audiossl.audio.views.filters import BandPass, HighPass, LowPass
from audiossl.audio.views.fourier import fast_length
from audiossl.recipe.waveform_views import BandPassConfig, HighPassConfig, LowPassConfig
from tests.draws import draws

RATE, SAMPLES = 16_000, 8192


def response(filtered: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(filtered).abs()


@pytest.fixture
def impulse() -> torch.Tensor:
    x = torch.zeros(2, SAMPLES)
    x[:, SAMPLES // 2] = 1
    return x


FREQUENCY = torch.fft.rfftfreq(SAMPLES, 1 / RATE)
CUTOFF = torch.tensor([500.0, 2000.0])


@pytest.mark.parametrize("order", [1, 2, 4])
def test_low_pass_has_butterworths_magnitude(impulse: torch.Tensor, order: int) -> None:
    found = response(LowPass(LowPassConfig(order=order), RATE).apply(impulse, cutoff_hz=CUTOFF))
    expected = 1 / torch.sqrt(1 + (FREQUENCY / CUTOFF[:, None]) ** (2 * order))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_high_pass_has_butterworths_magnitude(impulse: torch.Tensor, order: int) -> None:
    found = response(HighPass(HighPassConfig(order=order), RATE).apply(impulse, cutoff_hz=CUTOFF))
    expected = 1 / torch.sqrt(1 + (CUTOFF[:, None] / FREQUENCY) ** (2 * order))
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)
    assert found[:, 0].max() < 1e-3


def test_band_pass_is_three_decibels_down_at_both_cutoffs(impulse: torch.Tensor) -> None:
    config = BandPassConfig(order=8)
    found = response(
        BandPass(config, RATE).apply(impulse, centre_hz=torch.tensor([1000.0, 2000.0]), octaves=torch.tensor([2.0] * 2))
    )
    for n, (low, high) in enumerate([(500, 2000), (1000, 4000)]):
        for edge in (low, high):
            assert found[n, round(edge * SAMPLES / RATE)].item() == pytest.approx(0.5**0.5, abs=0.01)
        assert found[n, round((low * high) ** 0.5 * SAMPLES / RATE)].item() == pytest.approx(1, abs=0.01)


def test_filters_move_nothing_in_time(impulse: torch.Tensor) -> None:
    found = LowPass(LowPassConfig(), RATE).apply(impulse, cutoff_hz=CUTOFF)
    assert found.argmax(1).tolist() == [SAMPLES // 2] * 2
    torch.testing.assert_close(found[:, 3000:4096], found[:, 4097:5193].flip(1), rtol=0, atol=1e-6)


def test_end_does_not_ring_into_the_beginning() -> None:
    x = torch.zeros(1, SAMPLES)
    x[0, -1] = 1
    found = LowPass(LowPassConfig(), RATE).apply(x, cutoff_hz=torch.tensor([300.0]))
    assert found[0, :1000].abs().max() < 1e-3 * found[0, -1].abs()


def test_cutoffs_are_drawn_log_uniformly() -> None:
    cutoff = HighPass(HighPassConfig(cutoff_hz=(100, 1600)), RATE).draw(torch.empty(4000, 2), draws())["cutoff_hz"]
    octave = torch.log2(cutoff / 100)
    quantiles = torch.quantile(octave, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(quantiles, torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]), rtol=0, atol=0.12)


@pytest.mark.parametrize("at_least", [1, 2, 7, 17, 1000, 16_001, 44_100])
def test_fast_length_is_the_least_of_its_kind(at_least: int) -> None:
    kind = sorted(odd << power for odd in (1, 3, 5, 9, 15) for power in range(18))
    assert fast_length(at_least) == next(length for length in kind if length >= at_least)

from __future__ import annotations

from math import pi

import librosa
import pytest
import torch

from audiossl.audio.views.vocoder import PitchShift, TimeStretch, stretched, window_length
from audiossl.recipe.waveform_views import PitchShiftConfig, TimeStretchConfig
from tests.draws import draws

RATE = 16_000


def sine(frequency: float, samples: int = RATE) -> torch.Tensor:
    return torch.sin(2 * pi * frequency * torch.arange(samples) / RATE)


def main_frequency(x: torch.Tensor) -> torch.Tensor:
    middle = x[:, RATE // 8 : -RATE // 8]
    length = 8 * RATE
    return torch.fft.rfft(middle * torch.hann_window(middle.shape[1]), n=length).abs().argmax(1) * RATE / length


def loudness(x: torch.Tensor) -> torch.Tensor:
    return x[:, RATE // 8 : -RATE // 8].square().mean(1).sqrt()


def test_pitch_shift_moves_a_sine_by_the_semitones_and_keeps_length_and_level() -> None:
    semitones = torch.tensor([-5.0, -1.5, 0.0, 3.0, 5.0])
    x = sine(880.0).expand(5, -1)
    found = PitchShift(PitchShiftConfig(), RATE).apply(x, semitones=semitones)
    assert found.shape == x.shape
    torch.testing.assert_close(main_frequency(found), 880 * 2 ** (semitones / 12), rtol=0.002, atol=0)
    torch.testing.assert_close(loudness(found), loudness(x), rtol=0.1, atol=0)


def test_pitch_shift_lets_nothing_come_back_from_above_the_band() -> None:
    x = sine(7000.0)[None]
    found = PitchShift(PitchShiftConfig(semitones=(5, 5)), RATE).apply(x, semitones=torch.tensor([5.0]))
    assert loudness(found).item() < 0.02


def test_pitch_shift_moves_nothing_in_time() -> None:
    x = sine(880.0) * (torch.arange(RATE) >= RATE // 2)
    found = PitchShift(PitchShiftConfig(), RATE).apply(x.expand(2, -1), semitones=torch.tensor([-4.0, 4.0]))
    assert (found[:, : RATE // 2 - 1024].abs() < 0.05).all()
    assert (found[:, RATE // 2 + 1024 :].unfold(1, 64, 64).abs().amax(-1) > 0.5).float().mean() > 0.95


@pytest.mark.parametrize("frequency", [300.0, 1000.0])
def test_time_stretch_keeps_the_frequency(frequency: float) -> None:
    x = sine(frequency).expand(3, -1)
    found = TimeStretch(TimeStretchConfig(), RATE).apply(x, rate=torch.tensor([0.8, 1.0, 1.0]))
    assert found.shape == x.shape
    torch.testing.assert_close(main_frequency(found), torch.full((3,), frequency), rtol=0.002, atol=0)


def test_time_stretch_moves_events_and_repeats_what_is_over_early() -> None:
    time_s = torch.arange(RATE) / RATE
    x = (sine(1000.0) * torch.exp(-(((time_s - 0.6) / 0.02) ** 2))).expand(3, -1)
    found = TimeStretch(TimeStretchConfig(), RATE).apply(x, rate=torch.tensor([0.75, 1.0, 2.0]))
    loud = found.abs().unfold(1, 160, 160).amax(-1)
    assert [row.argmax().item() / 100 for row in loud[:2]] == pytest.approx([0.8, 0.6], abs=0.03)
    assert loud[2, :50].argmax().item() / 100 == pytest.approx(0.3, abs=0.03)
    assert loud[2, 50:].argmax().item() / 100 == pytest.approx(0.3, abs=0.03)


def test_unit_rate_is_no_change_away_from_the_end() -> None:
    x = torch.randn(1, RATE)
    found = TimeStretch(TimeStretchConfig(), RATE).apply(x, rate=torch.ones(1))
    torch.testing.assert_close(found[:, :15_000], x[:, :15_000], rtol=0, atol=1e-3)


def test_rates_and_semitones_fill_their_ranges() -> None:
    x = torch.empty(3000, 2)
    semitones = PitchShift(PitchShiftConfig(), RATE).draw(x, draws())["semitones"]
    assert -5 <= semitones.min() < -4.9 and 4.9 < semitones.max() <= 5
    rate = TimeStretch(TimeStretchConfig(), RATE).draw(x, draws())["rate"]
    assert 0.799 < rate.min() < 0.81 and 1.24 < rate.max() < 1.251
    assert rate.log().mean().abs() < 0.01


@pytest.mark.parametrize("rate", [0.8, 1.3])
def test_stretching_is_librosas_phase_vocoder(rate: float) -> None:
    x, window, hop = torch.randn(2, 4000), 256, 64
    shape = torch.hann_window(window, dtype=torch.float64)
    frames = torch.stft(x.double(), window, hop, window=shape, pad_mode="constant", return_complex=True)
    expected = librosa.phase_vocoder(frames.numpy(), rate=rate, hop_length=hop)
    # Theirs goes on into silence where ours repeats, so both are compared before the end.
    length = int(4000 / rate) - 3 * window
    wave = torch.istft(torch.from_numpy(expected), window, hop, window=shape)[:, :length]
    found = stretched(x, torch.full((2,), rate), length + window, window)[:, :length]
    torch.testing.assert_close(found.double(), wave, rtol=0, atol=1e-3)


def test_window_is_a_power_of_two_near_64_milliseconds() -> None:
    assert [window_length(rate) for rate in (8000, 16_000, 22_050, 44_100)] == [512, 1024, 1024, 2048]

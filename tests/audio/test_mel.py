from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
import torchaudio

from audiossl.audio.mel import filter_bank, hz_to_mel, mel_to_hz

BANKS = [(22_050, 2048, 96, 50.0, 10_500.0), (16_000, 1024, 64, 60.0, 7800.0), (44_100, 2048, 40, 0.0, 22_050.0)]


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_filters_equal_librosa(bank, scale, norm):
    rate, n_fft, n_mels, f_min, f_max = bank
    theirs = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=scale == "htk",
        norm=None if norm == "none" else norm, dtype=np.float64,
    )  # fmt: skip
    ours = filter_bank(*bank, scale, norm)
    assert ours.dtype == np.float64
    assert np.abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_filters_equal_torchaudio(bank, scale, norm):
    rate, n_fft, n_mels, f_min, f_max = bank
    theirs = torchaudio.functional.melscale_fbanks(
        1 + n_fft // 2, f_min, f_max, n_mels, rate, norm=None if norm == "none" else norm, mel_scale=scale
    ).T
    ours = torch.from_numpy(filter_bank(*bank, scale, norm))
    # torchaudio computes its corners in float32.
    assert (ours - theirs).abs().max() < 5e-5 * ours.max()


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_scales_invert(scale):
    hz = np.linspace(0.0, 20_000.0, 501)
    assert np.allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-8)


def test_slaney_scale_has_its_known_points():
    assert np.allclose(hz_to_mel(np.array([0.0, 200.0, 1000.0, 6400.0]), "slaney"), [0.0, 3.0, 15.0, 42.0])
    assert np.allclose(hz_to_mel(np.array([700.0]), "htk"), 2595.0 * np.log10(2.0))


def test_slaney_norm_gives_every_triangle_unit_area():
    filters = filter_bank(16_000, 16_384, 40, 60.0, 7800.0, "slaney", "slaney")
    assert np.allclose(filters.sum(axis=1) * 16_000 / 16_384, 1.0, atol=2e-3)

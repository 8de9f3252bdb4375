"""Plain statistics: closed forms, librosa word by word, and many sounds at once as each alone."""

from __future__ import annotations

import numpy as np
import pytest

from audiossl.audio.statistics import RATE, SETTINGS, six_statistics, spectrogram


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)


def test_six_statistics_in_closed_form():
    x = np.array([[1.0, 2.0, 4.0, 9.0]], np.float32)
    np.testing.assert_allclose(six_statistics(x), [4, x.std(), 1, 9, 3, np.std([1, 2, 5])], rtol=1e-6)
    assert np.isfinite(six_statistics(x[:, :1])).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_spectrogram_is_librosas_with_its_own_floor(name):
    import librosa

    said = dict(SETTINGS[name])
    n_mfcc = said.pop("n_mfcc", None)
    quiet_end = noise(RATE) * np.linspace(1, 0, RATE, dtype=np.float32) ** 8
    wanted = librosa.power_to_db(librosa.feature.melspectrogram(y=quiet_end, sr=RATE, **said))
    assert wanted.min() == wanted.max() - 80, "the floor is met, or this proves nothing"
    if n_mfcc:
        wanted = librosa.feature.mfcc(S=wanted, n_mfcc=n_mfcc)
    assert np.array_equal(spectrogram(quiet_end, **SETTINGS[name]), wanted)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("samples", [100, 3000])
def test_many_sounds_at_once_are_each_as_alone(name, samples):
    """Each with the floor under its own loudest point, and shorter than a frame or not."""
    x_BS = noise(3, samples) * np.array([[1.0], [1e-3], [1e-6]], np.float32)
    together = spectrogram(x_BS, **SETTINGS[name])
    statistics = six_statistics(together)
    for x_S, x_FT, row in zip(x_BS, together, statistics, strict=True):
        alone = spectrogram(x_S, **SETTINGS[name])
        assert np.allclose(x_FT, alone, atol=1e-3)
        assert np.allclose(row, six_statistics(alone), atol=1e-3)

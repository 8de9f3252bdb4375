from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.audio import frontend as module
from audiossl.audio.frontend import LogMel, build_frontend, plain_logmel
from audiossl.errors import DataError, RecipeError
from audiossl.recipe.frontends import ByolaConfig, FonsecaConfig, LogMelConfig, WaveformConfig

CHIRP = Path(__file__).parents[1] / "data" / "frontend_chirp.npz"
SMALL = LogMelConfig(sample_rate=8000, n_fft=256, window_length=200, hop=80, n_mels=24, f_max=4000)


def noise(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_fonseca_equals_the_reference_chirp():
    with np.load(CHIRP) as chirp:
        front = build_frontend(FonsecaConfig())
        assert np.abs(front.prepare(chirp["wave"]) - chirp["y_norm"]).max() < 1e-6
        ours = front(torch.from_numpy(chirp["y_norm"])[None])[0, 0].numpy()
        assert np.abs(ours.T - chirp["logmel"]).max() < 2e-5


@pytest.mark.shared
@pytest.mark.parametrize("name", ["chirp22k_3s", "chirp22k_0p4s", "chirp44k_3s"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 5e-6)])
def test_fonseca_equals_every_reference_array(shared, name, dtype, tolerance):
    with np.load(shared / "reference" / "uclser20_frontend.npz") as arrays:
        ours = LogMel(FonsecaConfig(), dtype)(torch.from_numpy(arrays[f"y_norm/{name}"])[None].to(dtype))
        assert np.abs(ours[0, 0].numpy().T - arrays[f"logmel/{name}"]).max() < tolerance


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("norm", ["slaney", "none"])
def test_byola_equals_torchaudio(scale, norm):
    config = ByolaConfig(mel_scale=scale, mel_norm=norm)
    theirs = torchaudio.transforms.MelSpectrogram(
        16_000, 1024, 1024, 160, 60, 7800, n_mels=64, norm=None if norm == "none" else norm, mel_scale=scale
    )
    x_BS = noise(2, 15_200)
    # White noise stays far above the noise floor, where float32 has nothing left to compare.
    assert (build_frontend(config)(x_BS)[:, 0] - (theirs(x_BS) + config.eps).log()).abs().max() < 5e-5


@pytest.mark.parametrize(
    "change",
    [
        {}, {"window": "hamming"}, {"padding": "zeros"}, {"power": 1}, {"log": "log10"}, {"log": "db"},
        {"window_length": 256}, {"window_length": 199}, {"hop": 300}, {"wave_eps": 1e-3}, {"n_mels": 25},
        {"mel_scale": "htk", "mel_norm": "none"},
    ],
)  # fmt: skip
def test_every_setting_equals_the_plain_transform(change):
    config = SMALL.model_copy(update=change)
    front, x_BS = LogMel(config, torch.float64), noise(3, 1000, dtype=torch.float64)
    plain = plain_logmel(x_BS, config)
    assert plain.shape == (3, 1, config.n_mels, front.frames_for(1000))
    assert (front(x_BS) - plain).abs().max() < 1e-9


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_the_plain_transform_is_a_loop_over_frames(padding):
    config = SMALL.model_copy(update={"padding": padding, "n_mels": 16})
    x_S = noise(600, dtype=torch.float64).numpy()
    padded = np.pad(x_S, 100, mode="reflect" if padding == "reflect" else "constant")
    time = np.arange(200)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / 200)
    rows = []
    for start in range(0, 601, 80):
        dft = [np.sum(padded[start : start + 200] * window * np.exp(-2j * np.pi * k * time / 256)) for k in range(129)]
        filters = module.filter_bank(8000, 256, 16, 60.0, 4000.0, "slaney", "slaney")
        rows.append(np.log(filters @ np.abs(dft) ** 2 + config.eps))
    plain = plain_logmel(torch.from_numpy(x_S)[None], config)[0, 0].numpy()
    assert np.abs(plain - np.array(rows).T).max() < 1e-9


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 1200),
    first=st.integers(0, 12),
    count=st.integers(1, 8),
    padding=st.sampled_from(["reflect", "zeros"]),
    window=st.sampled_from([200, 199, 64]),
)
def test_a_crop_of_frames_is_the_transform_of_the_padded_samples(samples, first, count, padding, window):
    config = SMALL.model_copy(update={"padding": padding, "window_length": window})
    front, x_S = LogMel(config, torch.float64), noise(samples, dtype=torch.float64, seed=samples)
    whole = front(x_S[None])
    first = min(first, whole.shape[3] - 1)
    count = min(count, whole.shape[3] - first)
    padded = front.pad_context(x_S.numpy())
    assert len(padded) == samples + window
    crop = torch.from_numpy(padded[first * config.hop :][: front.samples_for(count)])
    assert torch.allclose(front(crop[None], centre=False), whole[..., first : first + count], atol=1e-9)
    assert front.frames_for(samples) == whole.shape[3]
    assert front.frames_for(len(crop), centre=False) == count


def test_inner_crops_need_no_padding():
    front, x_BS = LogMel(SMALL, torch.float64), noise(1, 4000, dtype=torch.float64)
    start = 20 * SMALL.hop - front.context
    crop = x_BS[:, start : start + front.samples_for(7)]
    assert torch.allclose(front(crop, centre=False), front(x_BS)[..., 20:27], atol=1e-9)


@pytest.mark.parametrize("piece_bytes", [1, 9_000, 60_000, 10**9])
def test_pieces_do_not_change_the_result(monkeypatch, piece_bytes):
    front, x_BS = build_frontend(SMALL), noise(5, 3000)
    expected = torch.cat([front(x[None]) for x in x_BS])
    monkeypatch.setattr(module, "_PIECE_BYTES", piece_bytes)
    assert torch.allclose(front(x_BS), expected, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 3, 99, 100, 101])
@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_clips_shorter_than_a_window_pass(samples, padding):
    out = build_frontend(SMALL.model_copy(update={"padding": padding}))(noise(2, samples))
    assert out.shape == (2, 1, 24, 1 + samples // 80)
    assert out.isfinite().all()


def test_fewer_samples_than_a_window_without_padding_are_refused():
    with pytest.raises(DataError, match="a clip of 199 samples is too short for a spectrogram; it needs 200 or more"):
        build_frontend(SMALL)(noise(1, 199), centre=False)
    with pytest.raises(DataError, match="a clip of 0 samples"):
        build_frontend(SMALL)(noise(1, 0))


def test_peak_normalisation_removes_the_mean_and_keeps_silence():
    front = build_frontend(FonsecaConfig())
    wave = (0.1 + 0.2 * np.sin(np.arange(30_000) / 7.0)).astype(np.float32)
    prepared = front.prepare(wave)
    centred = wave - wave.mean(dtype=np.float64)
    assert prepared.dtype == np.float32
    assert np.allclose(prepared, centred / (np.abs(centred).max() + 0.005), atol=1e-6)
    assert not front.prepare(np.zeros(30_000, np.float32)).any()


def test_short_clips_are_repeated_to_the_shortest_length():
    front = build_frontend(SMALL.model_copy(update={"min_s": 0.1}))
    wave = noise(300).numpy()
    assert np.array_equal(front.prepare(wave), np.tile(wave, 3)[:800])
    assert np.array_equal(front.prepare(noise(801).numpy()), noise(801).numpy())


def test_a_clip_without_samples_is_refused():
    with pytest.raises(DataError, match="without samples"):
        build_frontend(SMALL).prepare(np.zeros(0, np.float32))


def test_silence_is_the_logarithm_of_eps():
    # The added 1.1e-8 per sample is a constant, whose energy lies below the lowest band.
    silence = build_frontend(FonsecaConfig())(torch.zeros(1, 22_050))
    assert torch.allclose(silence, torch.tensor(np.log10(1.1e-8), dtype=torch.float32), atol=1e-5)


def test_autocast_and_gradients_do_not_touch_the_front_end():
    front, x_BS = build_frontend(SMALL), noise(2, 1000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = front(x_BS.requires_grad_())
    assert out.dtype == torch.float32
    assert not out.requires_grad
    assert torch.equal(out, front(x_BS))


def test_the_front_end_holds_no_weights():
    assert not build_frontend(SMALL).state_dict()


def test_an_empty_mel_band_is_refused_with_the_cure():
    with pytest.raises(RecipeError, match=r"mel bands hold no bin of an FFT of 256 samples.*larger n_fft or fewer"):
        build_frontend(SMALL.model_copy(update={"n_mels": 200}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_length": 2000}, "window_length 2000 is longer than n_fft; write at most 1024"),
        ({"f_max": 9000}, "f_max 9000 Hz is above half the sample rate; write at most 8000"),
        ({"f_min": 7800}, "f_min 7800 Hz is not below f_max; write less than 7800"),
    ],
)
def test_contradicting_numbers_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        LogMelConfig(**change)


@pytest.mark.parametrize("centre", [True, False])
def test_a_waveform_is_a_spectrogram_of_one_band_with_a_frame_per_sample(centre):
    front, x_BS = build_frontend(WaveformConfig()), noise(2, 500)
    assert torch.equal(front(x_BS, centre=centre), x_BS[:, None, None])
    assert (front.context, front.samples_for(500), front.frames_for(500, centre)) == (0, 500, 500)
    assert (front.pad_context(x_BS[0].numpy()) == x_BS[0].numpy()).all()


def test_a_waveform_goes_through_the_whole_clip_step_too():
    samples = np.array([1.0, 0.5, 0.0], np.float32)
    front = build_frontend(WaveformConfig(sample_rate=1000, waveform="peak", headroom=0.0, min_s=0.005))
    assert front.prepare(samples).tolist() == pytest.approx([1, 0, -1, 1, 0])
    with pytest.raises(DataError, match="without samples"):
        front.prepare(samples[:0])

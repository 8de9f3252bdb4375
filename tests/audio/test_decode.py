"""The door for sound files gives what is in the file: right samples, right rate, right window, in bounded memory."""

from __future__ import annotations

import os
from pathlib import Path

import librosa
import numpy as np
import psutil
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiossl.audio.decode import blocks, decode, probe, repeat_to_length, resample
from audiossl.errors import AudioError, UsageError

RATE = 16_000
FORMATS = {
    "a.wav": ("WAV", "PCM_16"),
    "b.wav": ("WAV", "FLOAT"),
    "c.wav": ("WAV", "PCM_24"),
    "a.flac": ("FLAC", "PCM_16"),
    "a.ogg": ("OGG", "VORBIS"),
    "a.opus": ("OGG", "OPUS"),
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.au": ("AU", "PCM_16"),
    "a.caf": ("CAF", "PCM_16"),
}


def chirp(seconds: float, rate: int = RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (100 + 700 * t / seconds) * t)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sounds")
    for name, (form, subtype) in FORMATS.items():
        sf.write(made / name, chirp(3.0), RATE, format=form, subtype=subtype)
    return made


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_its_own_samples_as_float32_mono(folder: Path, name: str):
    sound = decode(folder / name, RATE)
    assert (sound.samples.dtype, sound.samples.shape) == (np.float32, (3 * RATE,))
    assert (sound.file_rate, sound.sample_rate) == (RATE, RATE)
    assert not (sound.short or sound.silent or sound.nonfinite)
    expected, _ = sf.read(folder / name, dtype="float32")
    np.testing.assert_allclose(sound.samples, expected, atol=2e-7)  # MP3 is dithered by its last bit


@pytest.mark.parametrize("name", FORMATS)
def test_probe_says_what_decoding_finds(folder: Path, name: str):
    info = probe(folder / name)
    assert (info.frames, info.sample_rate, info.channels, info.duration_s) == (3 * RATE, RATE, 1, 3.0)
    assert (info.format, info.subtype) == FORMATS[name]
    assert not info.short


def test_the_content_tells_the_format_not_the_suffix(folder: Path, tmp_path: Path):
    (tmp_path / "really_flac.mp3").write_bytes((folder / "a.flac").read_bytes())
    assert probe(tmp_path / "really_flac.mp3").format == "FLAC"
    np.testing.assert_array_equal(
        decode(tmp_path / "really_flac.mp3", RATE).samples, decode(folder / "a.flac", RATE).samples
    )


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("name", ["a.wav", "a.ogg"])
def test_resampling_equals_librosa(folder: Path, name: str, rate: int):
    samples, file_rate = sf.read(folder / name, dtype="float32")
    expected = librosa.resample(samples, orig_sr=file_rate, target_sr=rate)
    ours = decode(folder / name, rate).samples
    assert len(ours) == len(expected) == 3 * rate
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_channels_are_averaged(tmp_path: Path, channels: int):
    data = np.random.default_rng(0).uniform(-1, 1, (1000, channels)).astype(np.float32)
    sf.write(tmp_path / "a.wav", data, RATE, subtype="FLOAT")
    np.testing.assert_allclose(decode(tmp_path / "a.wav", RATE).samples, data.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", [None, 8_000, 22_050, 44_101])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start_s=st.floats(0, 2.99), duration_s=st.none() | st.floats(0, 5))
def test_a_window_is_the_slice_of_the_whole(
    folder: Path, name: str, rate: int | None, start_s: float, duration_s: float | None
):
    whole = decode(folder / name, rate)
    window = decode(folder / name, rate, start_s=start_s, duration_s=duration_s)
    first = round(start_s * whole.sample_rate)
    count = None if duration_s is None else max(1, round(duration_s * whole.sample_rate))
    expected = whole.samples[first:][:count]
    assert window.start == (first if (start_s, duration_s) != (0.0, None) else 0)
    assert len(window.samples) == len(expected)
    exact = rate is None and name not in ("a.mp3", "a.opus")  # these decoders carry state over a seek: 1e-7
    np.testing.assert_allclose(window.samples, expected, atol=0 if exact else 1e-5, rtol=0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
@pytest.mark.parametrize("compression", [0.0, 0.9])
def test_a_window_of_an_mp3_does_not_begin_with_the_garbage_of_a_seek(tmp_path: Path, rate: int, compression: float):
    sf.write(tmp_path / "a.mp3", chirp(6.0, rate), rate, compression_level=compression)
    whole = decode(tmp_path / "a.mp3", None).samples
    for start in range(0, 5 * rate, rate // 3):
        window = decode(tmp_path / "a.mp3", None, start_s=start / rate, duration_s=0.2).samples
        np.testing.assert_allclose(window, whole[start : start + len(window)], atol=1e-6)


def test_a_window_that_starts_behind_the_end_is_refused(folder: Path):
    with pytest.raises(AudioError, match="starts outside the 3 s of sound"):
        decode(folder / "a.wav", RATE, start_s=3.0, duration_s=1.0)
    with pytest.raises(AudioError, match="starts outside"):
        decode(folder / "a.wav", 44_100, start_s=-0.5, duration_s=1.0)


@pytest.mark.parametrize("rate", [None, 8_000, 22_050])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(block_s=st.floats(0.01, 4), share=st.floats(0, 0.9))
def test_blocks_put_together_equal_the_whole(folder: Path, rate: int | None, block_s: float, share: float):
    whole = decode(folder / "a.ogg", rate)
    size, overlap = max(1, round(block_s * whole.sample_rate)), round(block_s * share * whole.sample_rate)
    got = list(blocks(folder / "a.ogg", rate, block_s, overlap_s=block_s * share))
    assert [len(block.samples) for block in got[:-1]] == [size] * (len(got) - 1)
    assert [block.start for block in got] == [k * (size - overlap) for k in range(len(got))]
    assert len(got) == 1 or len(got[-1].samples) > overlap
    together = np.concatenate([got[0].samples, *(block.samples[overlap:] for block in got[1:])])
    np.testing.assert_allclose(together, whole.samples, atol=1e-6)


def test_blocks_cross_the_pieces_that_are_read_at_once(tmp_path: Path):
    noise = np.random.default_rng(0).uniform(-1, 1, 700_000).astype(np.float32)
    sf.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    for rate in (RATE, 11_025):
        together = np.concatenate([block.samples for block in blocks(tmp_path / "a.wav", rate, 7.0)])
        np.testing.assert_allclose(together, decode(tmp_path / "a.wav", rate).samples, atol=1e-6)


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.opus"])
def test_blocks_of_a_compressed_file_have_no_garbage_between_pieces(tmp_path: Path, name: str):
    sf.write(tmp_path / name, chirp(50.0), RATE, format=FORMATS[name][0], subtype=FORMATS[name][1])
    together = np.concatenate([block.samples for block in blocks(tmp_path / name, RATE, 7.0)])
    np.testing.assert_allclose(together, decode(tmp_path / name, RATE).samples, atol=1e-6)


@pytest.mark.slow
def test_ten_hours_are_read_in_the_memory_of_a_few_blocks(tmp_path: Path):
    frames = 10 * 3600 * 16_000
    sf.write(tmp_path / "long.wav", np.ones(1, np.int16), 16_000)
    header = bytearray((tmp_path / "long.wav").read_bytes()[:44])
    header[4:8], header[40:44] = (2 * frames + 36).to_bytes(4, "little"), (2 * frames).to_bytes(4, "little")
    with (tmp_path / "long.wav").open("wb") as file:  # sparse: 1.15 GB of zeros that take no room
        file.write(header)
        file.truncate(44 + 2 * frames)
    process, read, peak = psutil.Process(), 0, 0
    before = process.memory_info().rss
    for number, block in enumerate(blocks(tmp_path / "long.wav", 16_000, 60.0)):
        read += len(block.samples)
        if number % 50 == 0:
            peak = max(peak, process.memory_info().rss)
    assert read == frames
    assert peak - before < 100e6


def test_an_overlap_as_long_as_the_block_is_refused(folder: Path):
    with pytest.raises(UsageError, match="overlap 1 s"):
        list(blocks(folder / "a.wav", RATE, 1.0, overlap_s=1.0))


@given(frames=st.integers(1, 3000), file_rate=st.integers(1000, 96_000), rate=st.integers(1000, 96_000))
@settings(max_examples=100, deadline=None)
def test_resampled_length_is_right_to_one_sample(frames: int, file_rate: int, rate: int):
    samples = resample(np.zeros(frames, np.float32), file_rate, rate)
    assert len(samples) >= 1
    assert abs(len(samples) - max(1, frames * rate / file_rate)) <= 1


@pytest.mark.parametrize("rate", [0, 1, 999, 768_001])
def test_a_target_rate_out_of_range_is_refused(folder: Path, rate: int):
    with pytest.raises(UsageError, match="1,000 to 768,000"):
        decode(folder / "a.wav", rate)


def test_repeat_to_length_repeats_and_never_cuts():
    samples = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(repeat_to_length(samples, 7), [0, 1, 2, 0, 1, 2, 0])
    assert repeat_to_length(samples, 3) is samples
    assert len(repeat_to_length(samples, 2)) == 3


@pytest.mark.parametrize("name", ["line\nbreak.wav", "-rf.wav", "<script>.wav", "é😀" + "x" * 200 + ".wav"])
def test_any_file_name_is_read(folder: Path, tmp_path: Path, name: str):
    os.link(folder / "a.wav", tmp_path / name)
    assert len(decode(tmp_path / name, RATE).samples) == 3 * RATE

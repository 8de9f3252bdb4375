"""Faults F1-F6, F8-F10 and F13: each broken file is one clear `AudioError` at once, or is read as far as it goes."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiossl.audio.decode import blocks, decode, probe
from audiossl.errors import AudioError, AudiosslError

RATE = 16_000
pytestmark = pytest.mark.timeout(20)


def noise(frames: int = 160_000) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(frames)).astype(np.float32)


def wav(data: bytes = b"\1\0" * 1600, *, rate: int = 8000, channels: int = 1, size: int | None = None) -> bytes:
    """A 16-bit WAV with any header."""
    width = 2 * channels
    chunk = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * width % 2**32, width % 2**16, 16)
    declared = len(data) if size is None else size
    riff = min(36 + declared, 2**32 - 1)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + chunk + b"data" + struct.pack("<I", declared) + data


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def cut(path: Path) -> Path:
    """The first half of a file."""
    content = path.read_bytes()
    return write(path.with_name(f"cut_{path.name}"), content[: len(content) // 2])


def rot(path: Path) -> Path:
    """400 bytes in the middle of a file replaced."""
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 400] = np.random.default_rng(1).bytes(400)
    return write(path.with_name(f"rot_{path.name}"), bytes(content))


def refused(path: Path, cause: str) -> None:
    """`probe`, `decode`, a window and `blocks` raise the same sentence, with the path, at once."""
    for read in (
        lambda: probe(path),
        lambda: decode(path, RATE),
        lambda: decode(path, RATE, start_s=0.0, duration_s=0.5),
        lambda: list(blocks(path, RATE, 1.0)),
    ):
        start = time.process_time()
        with pytest.raises(AudioError, match=cause) as caught:
            read()
        assert time.process_time() - start < 1.0
        assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        pytest.param(b"", r"is empty \(0 bytes\)", id="0 bytes"),
        pytest.param(b"Dear diary, today I heard a bird. " * 9, "not a sound file of a known format", id="text"),
        pytest.param(wav()[:20], "cannot be read", id="20-byte header"),
        pytest.param(np.random.default_rng(5).bytes(5000), "not a sound file of a known format", id="random bytes"),
    ],
)
def test_f1_a_file_that_is_no_sound_is_named_with_its_cause(tmp_path: Path, content: bytes, cause: str):
    refused(write(tmp_path / "a.wav", content), cause)


@pytest.mark.parametrize(
    "content", [wav(b""), wav(size=0), wav()[:44]], ids=["no data", "data chunk of length 0", "header only"]
)
def test_f2_a_file_without_samples_is_refused(tmp_path: Path, content: bytes):
    refused(write(tmp_path / "a.wav", content), "has no samples")


@pytest.mark.parametrize("form", ["WAV", "AIFF"])
def test_f3_a_cut_file_is_read_as_far_as_it_goes_and_called_short(tmp_path: Path, form: str):
    sf.write(tmp_path / "a", noise(16_000), RATE, format=form, subtype="PCM_16")
    path = cut(tmp_path / "a")
    whole, half = decode(tmp_path / "a", RATE), decode(path, RATE)
    assert (whole.short, half.short) == (False, True)
    assert 7_900 < len(half.samples) < 8_000
    np.testing.assert_array_equal(half.samples, whole.samples[: len(half.samples)])
    assert probe(path).short
    assert not decode(path, RATE, start_s=0.1, duration_s=0.2).short
    assert decode(path, RATE, start_s=0.4, duration_s=0.2).short
    assert [block.short for block in blocks(path, RATE, 0.2)] == [False, False, True]


def test_f3_a_data_size_beyond_the_file_reads_what_is_there(tmp_path: Path):
    sound = decode(write(tmp_path / "a.wav", wav(size=0xFFFFFFFE)), 8000)
    assert (len(sound.samples), sound.short) == (1600, True)


def test_f3_a_streamed_wav_of_unknown_size_is_not_called_short(tmp_path: Path):
    sound = decode(write(tmp_path / "a.wav", wav(size=0xFFFFFFFF)), 8000)
    assert (len(sound.samples), sound.short) == (1600, False)


@pytest.mark.parametrize("form", ["WAV", "RF64", "AIFF", "AU", "CAF", "W64"])
@pytest.mark.parametrize("frames", [1, 1599, 1600])
def test_f3_a_whole_file_is_never_called_short(tmp_path: Path, form: str, frames: int):
    sf.write(tmp_path / "a", noise(frames), RATE, format=form, subtype="PCM_16")
    assert not probe(tmp_path / "a").short
    assert not decode(tmp_path / "a", RATE).short


def test_f4_a_cut_mp3_gives_what_is_there_and_is_called_short(tmp_path: Path):
    sf.write(tmp_path / "a.mp3", noise(), RATE)
    path = cut(tmp_path / "a.mp3")
    whole, half = decode(tmp_path / "a.mp3", RATE), decode(path, RATE)
    assert probe(path).frames == 160_000
    assert (half.short, whole.short) == (True, False)
    assert 70_000 < len(half.samples) < 80_000
    inside = len(half.samples) - 2000
    np.testing.assert_allclose(half.samples[:inside], whole.samples[:inside], atol=1e-6)
    *rest, last = blocks(path, RATE, 1.0)
    assert (last.short, any(block.short for block in rest)) == (True, False)
    assert last.start + len(last.samples) == len(half.samples)
    with pytest.raises(AudioError):
        decode(path, RATE, start_s=9.0, duration_s=0.5)


@pytest.mark.parametrize("damage", [cut, rot])
def test_f5_a_damaged_flac_fails_as_a_whole(tmp_path: Path, damage):
    sf.write(tmp_path / "a.flac", noise(), RATE)
    path = damage(tmp_path / "a.flac")
    with pytest.raises(AudioError, match=r"is damaged .*lost sync"):
        decode(path, RATE)
    with pytest.raises(AudioError, match="is damaged"):
        list(blocks(path, RATE, 1.0))


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_f5_a_rotten_stream_is_short_or_refused_never_passed_off_as_whole(tmp_path: Path, name: str):
    sf.write(tmp_path / name, noise(), RATE)
    try:
        assert decode(rot(tmp_path / name), RATE).short
    except AudioError as error:
        assert "is damaged" in str(error)


def test_the_mp3_library_prints_nothing_and_python_still_can(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    sf.write(tmp_path / "a.mp3", noise(), RATE)
    path = rot(tmp_path / "a.mp3")
    capfd.readouterr()
    threads = [threading.Thread(target=decode, args=(path, RATE)) for _ in range(4)]
    for thread in threads:
        thread.start()
    os.write(2, b"a progress bar\n")
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == "a progress bar\n"
    os.system("echo said by C >&2")
    assert capfd.readouterr().err == "said by C\n"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_f6_a_non_finite_sample_is_an_error_that_names_it(tmp_path: Path, bad: float, channels: int):
    data = np.full((1000, channels), 0.5, np.float32)
    data[100, 0] = bad
    sf.write(tmp_path / "a.wav", data, RATE, subtype="FLOAT")
    for read in (lambda: decode(tmp_path / "a.wav", 8000), lambda: list(blocks(tmp_path / "a.wav", 8000, 0.01))):
        with pytest.raises(AudioError, match=r"sample 100 is not finite at 0\.006 s"):
            read()
    with pytest.raises(AudioError, match="sample 100 is not finite"):
        decode(tmp_path / "a.wav", RATE, start_s=0.005, duration_s=0.005)


def test_f6_zero_replaces_and_counts(tmp_path: Path):
    data = np.full((1000, 2), 0.5, np.float32)
    data[100], data[200, 1] = np.nan, np.inf
    sf.write(tmp_path / "a.wav", data, RATE, subtype="FLOAT")
    sound = decode(tmp_path / "a.wav", RATE, nonfinite="zero")
    assert sound.nonfinite == 3
    assert (sound.samples[100], sound.samples[200], sound.samples[300]) == (0.0, 0.25, 0.5)
    assert np.isfinite(decode(tmp_path / "a.wav", 22_050, nonfinite="zero").samples).all()
    assert sum(block.nonfinite for block in blocks(tmp_path / "a.wav", RATE, 0.01, nonfinite="zero")) == 3


def test_f7_samples_far_above_full_scale_are_refused(tmp_path: Path):
    data = noise(1000)
    data[500] = 4e29
    sf.write(tmp_path / "a.wav", data, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"peak 4e\+29 is far above full scale"):
        decode(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize(("value", "frames"), [(0.0, 1000), (0.5, 1000), (0.5, 1)], ids=["silence", "DC", "one sample"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_f8_silence_dc_and_one_sample_are_finite_and_silence_is_flagged(
    tmp_path: Path, value: float, frames: int, rate: int
):
    sf.write(tmp_path / "a.wav", np.full(frames, value, np.float32), RATE, subtype="FLOAT")
    sound = decode(tmp_path / "a.wav", rate)
    assert len(sound.samples) >= 1
    assert np.isfinite(sound.samples).all()
    if value == 0.0 or rate == RATE:
        assert sound.silent
    sf.write(tmp_path / "b.wav", noise(1000), RATE)
    assert not decode(tmp_path / "b.wav", rate).silent


def test_f8_one_sample_at_a_high_rate_is_still_one_sample(tmp_path: Path):
    sf.write(tmp_path / "a.wav", np.full(1, 0.5, np.float32), 192_000, subtype="FLOAT")
    assert decode(tmp_path / "a.wav", 16_000).samples.tolist() == [0.5]


def test_f9_eight_channels_are_averaged_and_absurd_numbers_refused(tmp_path: Path):
    data = np.random.default_rng(0).integers(-9999, 9999, (1000, 8)).astype(np.int16)
    sound = decode(write(tmp_path / "8.wav", wav(data.tobytes(), channels=8)), 8000)
    np.testing.assert_allclose(sound.samples, data.mean(axis=1) / 32768, atol=1e-6)
    refused(write(tmp_path / "65535.wav", wav(channels=65_535)), "channels")
    refused(write(tmp_path / "0.wav", wav(channels=0)), "Channel count is zero")
    refused(write(tmp_path / "65.wav", wav(bytes(1300), channels=65)), "has 65 channels; 1 to 64")


def test_f10_a_tone_above_the_new_half_rate_leaves_no_alias(tmp_path: Path):
    t = np.arange(192_000) / 192_000
    sf.write(tmp_path / "a.wav", np.sin(2 * np.pi * 12_000 * t), 192_000, subtype="FLOAT")
    samples = decode(tmp_path / "a.wav", 16_000).samples
    assert abs(len(samples) - 16_000) <= 1
    middle = samples[2000:-2000]
    assert 20 * np.log10(np.abs(middle).max()) < -80


@pytest.mark.parametrize("rate", [0, 1, 999, 768_001])
def test_f10_an_absurd_rate_is_refused(tmp_path: Path, rate: int):
    refused(write(tmp_path / "a.wav", wav(rate=rate)), "sample rate")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_f13_a_fifo_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "a.wav")
    refused(tmp_path / "a.wav", "is a FIFO")


def test_f13_folder_missing_file_device_and_link_in_a_circle_are_refused(tmp_path: Path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "circle.wav").symlink_to(tmp_path / "circle.wav")
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
    refused(tmp_path / "folder.wav", "is a folder")
    refused(tmp_path / "gone.wav", "does not exist")
    refused(tmp_path / "dangling.wav", "does not exist")
    refused(tmp_path / "circle.wav", "cannot be opened")
    refused(Path(os.devnull), "is a device")
    with pytest.raises(AudioError, match="cannot be opened"):
        decode(tmp_path / "nul\0.wav", RATE)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_f13_no_permission_is_refused(tmp_path: Path):
    write(tmp_path / "a.wav", wav()).chmod(0)
    refused(tmp_path / "a.wav", "cannot be opened .*ermission")


def test_no_permission_of_the_system_is_an_audio_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.wav", wav())
    monkeypatch.setattr(os, "open", denied)
    refused(path, r"cannot be opened \(Permission denied\)")


def test_f13_a_file_that_vanishes_while_blocks_are_read_is_read_to_its_end(tmp_path: Path):
    path = tmp_path / "a.wav"
    sf.write(path, noise(600_000), RATE)
    reading = blocks(path, RATE, 1.0)
    first = next(reading)
    path.unlink()
    assert len(first.samples) + sum(len(block.samples) for block in reading) == 600_000


@pytest.mark.parametrize("seed", range(20))
def test_any_damage_is_an_audiossl_error_or_finite_sound(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    suffix = ["wav", "flac", "ogg", "mp3", "aiff"][seed % 5]
    sf.write(tmp_path / f"a.{suffix}", noise(8000), RATE)
    content = bytearray((tmp_path / f"a.{suffix}").read_bytes())
    for place in rng.integers(0, min(200, len(content)), 8):  # headers are where the promises are
        content[place] = rng.integers(256)
    path = write(tmp_path / f"b.{suffix}", bytes(content))
    with contextlib.suppress(AudiosslError):
        assert np.isfinite(decode(path, RATE).samples).all()

"""F38: whatever the length, rate, window, hop, part and block borders, rows are where and what they are said to be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from audiossl.audio import reading
from audiossl.audio.decode import decode
from audiossl.audio.reading import SoundReader
from audiossl.audio.windows import count_windows, samples_in
from audiossl.embedding.engine import Engine
from audiossl.embedding.jobs import Embedded, Failed, Job
from audiossl.embedding.options import EmbedOptions
from audiossl.errors import AudioError
from audiossl.recipe.schema import EmbeddingConfig
from tests.faults.broken import tiny_bundle

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 15_999)
SUFFIXES = ("wav", "flac", "ogg", "mp3")
MP3_RATES = {8_000, 11_025, 16_000, 22_050, 44_100, 48_000}
TO_1E_5 = {"rtol": 0, "atol": 1e-5}

seconds = st.one_of(st.floats(0.004, 1.5), st.sampled_from([0.1, 0.25, 1 / 3, 2**0.5 / 3, 1.0]))
block_lengths = st.one_of(st.floats(0.01, 1.0), st.just(0.37))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


@contextmanager
def blocks_of(block_s: float) -> Iterator[None]:
    """Files are decoded in blocks of so many seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_S", block_s)
        yield


def sound(folder: Path, suffix: str, frames: int, rate: int) -> Path:
    """Tones and noise, no two places alike, written once."""
    path = folder / f"{frames}-{rate}.{suffix}"
    if not path.exists():
        t = np.arange(frames) / rate
        tones = 0.4 * np.sin(2 * np.pi * (300 + 200 * t) * t) + 0.2 * np.sin(2 * np.pi * 0.31 * rate * t)
        samples = (tones + 0.05 * np.random.default_rng(frames).standard_normal(frames)).astype(np.float32)
        sf.write(path, samples, rate, **({"subtype": "FLOAT"} if suffix == "wav" else {}))
    return path


def part_of(whole: np.ndarray, rate: int, start_s: float | None, end_s: float | None) -> np.ndarray:
    """The samples of a part: none when it begins behind the end."""
    first = 0 if start_s is None else round(start_s * rate)
    return whole[first:] if end_s is None else whole[first:][: max(1, round((end_s - (start_s or 0.0)) * rate))]


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, int, int, int, float | None, float | None]:
    """Suffix, frames, rate of the file, rate of the model, start and end of a part (None: from or to the end)."""
    suffix, file_rate = draw(st.sampled_from(SUFFIXES)), draw(st.sampled_from(RATES))
    assume(suffix != "mp3" or file_rate in MP3_RATES)
    frames = draw(st.one_of(st.sampled_from([1, 2, 400, 20_000]), st.integers(1, 3 * file_rate)))
    start_s, end_s = None, None
    if draw(st.booleans()):
        start_s = draw(st.floats(0, 2.5))
        end_s = draw(st.one_of(st.none(), st.floats(0.0001, 4).map(lambda length: start_s + length)))
    return suffix, frames, file_rate, draw(st.sampled_from([16_000, 22_050, 8_000])), start_s, end_s


@settings(max_examples=150, deadline=None)
@given(case=cases(), window_s=seconds, hop_s=seconds, block_s=block_lengths)
@example(case=("wav", 1, 48_000, 8_000, None, None), window_s=0.5, hop_s=0.1, block_s=0.37)
@example(case=("wav", 30_000, 15_999, 16_000, 0.7, None), window_s=0.5, hop_s=2**0.5 / 3, block_s=0.01)
@example(case=("mp3", 40_000, 44_100, 16_000, 0.1, 5.0), window_s=0.05, hop_s=1.5, block_s=0.37)
def test_every_window_is_a_slice_of_the_whole_sound(folder, case, window_s, hop_s, block_s):
    suffix, frames, file_rate, rate, start_s, end_s = case
    path = sound(folder, suffix, frames, file_rate)
    reader = SoundReader(rate, EmbeddingConfig(window_s=window_s, hop_s=hop_s))
    met: dict[str, Any] = {}
    whole = part_of(decode(path, rate).samples, rate, start_s, end_s)
    with blocks_of(block_s), nullcontext() if len(whole) else pytest.raises(AudioError):
        windows = list(reader.windows(path, start_s, end_s, met))
    if not len(whole):
        return
    length = samples_in(window_s, rate)
    assert met["duration_s"] == len(whole) / rate and not met["short"]
    assert len(windows) == count_windows(len(whole), window_s, hop_s, rate)
    assert [window.start_s for window in windows] == [i * hop_s for i in range(len(windows))]
    for window in windows:
        first = samples_in(window.start_s, rate)
        inside = whole[first : first + length]
        assert window.end_s == (window.start_s + window_s if len(inside) == length else len(whole) / rate)
        np.testing.assert_allclose(window.samples, np.resize(inside, length), **TO_1E_5)
        assert len(inside) == length or (len(windows), len(inside)) == (1, len(whole))
    assert samples_in(len(windows) * hop_s, rate) + length > len(whole), "another window would have fitted"


@pytest.fixture(scope="module")
def tiny():
    return tiny_bundle()


@settings(max_examples=40, deadline=None)
@given(case=cases(), window_s=st.one_of(st.just("auto"), seconds), hop_s=st.floats(0.05, 1.5), block_s=block_lengths)
def test_a_long_file_in_blocks_gives_the_embeddings_of_the_same_file_read_whole(
    folder, tiny, case, window_s, hop_s, block_s
):
    suffix, frames, file_rate, _, start_s, end_s = case
    job = Job(0, sound(folder, suffix, frames, file_rate), start_s, end_s)
    engine = Engine(tiny, EmbedOptions(window_s=window_s, hop_s=hop_s, workers=1))
    (whole,) = engine.run([job])
    with blocks_of(block_s):
        (in_blocks,) = engine.run([job])
    if isinstance(whole, Failed):
        assert isinstance(in_blocks, Failed) and in_blocks.cause == whole.cause
        assert "starts outside" in whole.cause or "no samples" in whole.cause
        return
    assert isinstance(in_blocks, Embedded)
    assert np.array_equal(in_blocks.start_s, whole.start_s) and np.array_equal(in_blocks.end_s, whole.end_s)
    np.testing.assert_allclose(in_blocks.embeddings, whole.embeddings, **TO_1E_5)
    by_hand = part_of(decode(job.path, tiny.sample_rate).samples, tiny.sample_rate, start_s, end_s)
    assert in_blocks.met["duration_s"] == len(by_hand) / tiny.sample_rate
    for at_s, row in zip(whole.start_s - (start_s or 0.0), whole.embeddings, strict=True):
        first = samples_in(at_s, tiny.sample_rate)
        length = len(by_hand) if window_s == "auto" else samples_in(window_s, tiny.sample_rate)
        cut = np.resize(by_hand[first : first + length], length)
        np.testing.assert_allclose(row, tiny.embed(cut, tiny.sample_rate), **TO_1E_5)

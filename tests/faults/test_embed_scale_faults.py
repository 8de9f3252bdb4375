"""F11, F12, F16 through `audiossl embed`: hours in one file, gigabytes in one file, thousands of files."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile as sf

from audiossl.bundle.bundle import Bundle
from audiossl.embedding.store import open_store
from tests.faults.broken import CONTENTS, RATE, noise, run_embed, wav

MB = 1e6


@contextmanager
def peak_memory() -> Iterator[Callable[[], float]]:
    """How many bytes this process grew by at most, as seen every few milliseconds."""
    process, over = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: peak - before
    finally:
        over.set()
        watcher.join()


def sparse_wav(path: Path, frames: int, *, rate: int = RATE) -> None:
    """Silence of any length that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(wav(b"", rate=rate, size=2 * frames))
        file.truncate(44 + 2 * frames)


def sparse_rf64(path: Path, frames: int, end: np.ndarray) -> None:
    """The same without the limit of 4 GB, and with a sound (S,) at its end."""
    size = 2 * frames
    head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, size + 72, size, frames, 0)
    head += b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data\xff\xff\xff\xff"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
        file.seek(len(head) + size - 2 * len(end))
        file.write((end * 32768).astype("<i2").tobytes())


def test_f11_an_hour_is_embedded_in_the_memory_of_a_few_blocks_from_the_first_block_on(
    tiny_model, tmp_path, monkeypatch
):
    for name, seconds in {"short": 70, "long": 3600}.items():
        sparse_wav(tmp_path / f"{name}.wav", seconds * RATE)
    run_embed(tiny_model, tmp_path / "short.wav", tmp_path / "warm", "--window-s", 1)
    encode, encoded_at = Bundle.encode, []

    def noted(self: Bundle, *args: object, **options: object) -> object:
        encoded_at.append(time.monotonic())
        return encode(self, *args, **options)

    monkeypatch.setattr(Bundle, "encode", noted)
    began = time.monotonic()
    with peak_memory() as grown:
        done = run_embed(tiny_model, tmp_path / "long.wav", tmp_path / "out", "--window-s", 1, "--workers", 1)
    assert open_store(done.out).table("windows")["start_s"].to_pylist() == [float(at) for at in range(3600)]
    assert grown() < 60 * MB, "its samples alone are 230 MB"
    assert encoded_at[0] - began < 0.2 * (time.monotonic() - began), "it was read before it was embedded"


def test_f12_more_than_4_gb_are_read_where_the_header_can_say_so_and_refused_where_it_cannot(tiny_model, tmp_path):
    frames, tail = 2_600_000_000, noise(1.0)
    sparse_rf64(tmp_path / "a.wav", frames, tail)
    sf.write(tmp_path / "tail.wav", tail, RATE)
    at = frames // RATE - 1
    (tmp_path / "t.csv").write_text(f"path,start_s,end_s\na.wav,{at - 1},{at}\na.wav,{at},\ntail.wav,,\n")
    done = run_embed(tiny_model, tmp_path / "t.csv", tmp_path / "out")
    silence, end, alone = done.rows()
    assert [row["duration_s"] for row in done.rows()] == [1.0, 1.0, 1.0] and silence["silent"] and not end["silent"]
    assert np.allclose(end["embedding"], alone["embedding"], atol=1e-5)
    for size in (2 * frames % 2**32, 0xFFFFFFFF, 0xFFFFFFFE):
        with (tmp_path / "wrapped.wav").open("wb") as file:
            file.write(wav(b"", size=size))
            file.truncate(44 + 2 * frames)
        refused = run_embed(tiny_model, tmp_path / "wrapped.wav", tmp_path / "wrapped")
        assert (refused.code, refused.counts) == (4, (0, 0, 1))
        assert "convert it to RF64" in refused.causes["wrapped.wav"]


@pytest.mark.timeout(120)
def test_f16_of_many_files_exactly_the_broken_ones_fail_and_memory_stays_flat(tiny_model, tmp_path):
    count, contents = 2000, list(CONTENTS)
    for index in range(count):
        folder = tmp_path / "sounds" / f"{index % 20:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        if index % 100 == 7:
            contents[index // 100 % len(contents)](folder / f"{index} bad.wav")
        else:
            data = np.random.default_rng(index).integers(-3000, 3000, 800).astype("<i2").tobytes()
            (folder / f"{index}.wav").write_bytes(wav(data))
    run_embed(tiny_model, tmp_path / "sounds" / "01", tmp_path / "warm")
    with peak_memory() as grown:
        done = run_embed(tiny_model, tmp_path / "sounds", tmp_path / "out")
    assert (done.code, done.counts) == (4, (count - 20, 0, 20))
    assert done.causes.keys() == {f"{100 * index + 7} bad.wav" for index in range(20)}
    for index in range(20):
        assert CONTENTS[contents[index % len(contents)]] in done.causes[f"{100 * index + 7} bad.wav"]
    clips = open_store(done.out).clips()
    assert len(set(clips["path"].to_pylist())) == clips.num_rows == count - 20
    assert grown() < 50 * MB

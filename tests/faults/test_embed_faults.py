"""Faults F1-F6, F8, F9, F13, F33 of `audiossl embed`: bad files are listed, good files do not notice."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audiossl.api import embed
from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.embedding.store import Store, open_store
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.schema import Recipe

RATE = 16_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return untrained_bundle(Recipe(encoder=AudioNtt2020Config(dim=32)), Statistics(mean=-7.0, std=4.0), seed=1)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no sound")


def short_header(path: Path) -> None:
    sf.write(path, noise(0.1), RATE)
    path.write_bytes(path.read_bytes()[:20])


def no_frames(path: Path) -> None:
    sf.write(path, noise(0), RATE)


def cut_flac(path: Path) -> None:
    sf.write(path, noise(3), RATE, format="FLAC")
    halved(path)


def rotten_mp3(path: Path) -> None:
    sf.write(path, noise(3), RATE, format="MP3")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + os.urandom(600) + content[len(content) // 2 + 600 :])


def nan_sample(path: Path) -> None:
    samples = noise(1)
    samples[100] = np.nan
    sf.write(path, samples, RATE, subtype="FLOAT")


def infinite_sample(path: Path) -> None:
    samples = noise(1)
    samples[-1] = np.inf
    sf.write(path, samples, RATE, subtype="FLOAT")


def too_many_channels(path: Path) -> None:
    sf.write(path, np.zeros((10, 200), np.float32), RATE)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "gone")


BAD: dict[Callable[[Path], None], str] = {
    zero_bytes: "empty",
    text: "not a sound file",
    short_header: "cannot be read",
    no_frames: "no samples",
    cut_flac: "damaged",
    nan_sample: "sample 100 is not finite",
    infinite_sample: "not finite",
    too_many_channels: "channels",
    fifo: "FIFO",
    link_to_itself: "cannot be opened",
    link_to_nothing: "does not exist",
}


def failures(out: Path) -> dict[str, str]:
    with (out / "failures.csv").open(newline="") as file:
        return {Path(row["path"]).name: row["cause"] for row in csv.DictReader(file)}


def by_name(store: Store, kind: str = "clips") -> dict[str, list[float]]:
    table = store.table(kind)  # type: ignore[arg-type]
    return dict(zip(table.column("id").to_pylist(), store.embeddings(kind).tolist(), strict=True))  # type: ignore[arg-type]


@pytest.mark.timeout(60)
def test_every_bad_file_is_listed_and_good_files_are_the_same_bit_for_bit_without_them(bundle, tmp_path):
    good = tmp_path / "good"
    good.mkdir()
    for index, seconds in enumerate((1.0, 0.4, 1.0, 2.0)):
        sf.write(good / f"{index}.wav", noise(seconds, index), RATE)
    both = tmp_path / "both"
    both.mkdir()
    for index in range(4):
        (both / f"{index}.wav").symlink_to(good / f"{index}.wav")
    for make in BAD:
        make(both / f"1 {make.__name__}.wav")
    clean = embed(bundle, good, tmp_path / "clean", window_s=0.3)
    report = embed(bundle, both, tmp_path / "mixed", window_s=0.3)
    assert (clean.failed, clean.embedded) == (0, 4)
    assert (report.failed, report.embedded) == (len(BAD), 4)
    causes = failures(tmp_path / "mixed")
    for make, cause in BAD.items():
        assert cause in causes[f"1 {make.__name__}.wav"]
    for kind in ("clips", "windows"):
        alone, among = (open_store(tmp_path / name) for name in ("clean", "mixed"))
        assert np.array_equal(alone.embeddings(kind), among.embeddings(kind))
        assert np.isfinite(among.embeddings(kind)).all()


@pytest.mark.timeout(60)
def test_f5_a_rotten_mp3_gives_all_its_rows_or_none(bundle, tmp_path):
    path = tmp_path / "a.mp3"
    rotten_mp3(path)
    report = embed(bundle, path, tmp_path / "out", window_s=0.5)
    rows = open_store(tmp_path / "out").table("windows").num_rows
    assert report.failed + report.embedded == 1 and rows == (0 if report.failed else report.windows)


def test_f3_f4_cut_files_give_the_windows_fully_inside_and_say_short(bundle, tmp_path):
    for name in ("a.wav", "b.mp3"):
        sf.write(tmp_path / name, noise(10), RATE)
        halved(tmp_path / name)
    embed(bundle, [tmp_path / "a.wav", tmp_path / "b.mp3"], tmp_path / "out", window_s=1.0, hop_s=0.5)
    store = open_store(tmp_path / "out")
    for clip in store.clips().to_pylist():
        rows = [row for row in store.table("windows").to_pylist() if row["id"] == clip["id"]]
        assert clip["short"] and 4.5 < clip["duration_s"] < 5.1
        assert [row["start_s"] for row in rows] == [0.5 * index for index in range(clip["windows"])]
        assert rows[-1]["end_s"] <= clip["duration_s"] < rows[-1]["end_s"] + 0.5


def test_f6_nan_becomes_zero_when_asked_and_is_counted(bundle, tmp_path):
    for make in (nan_sample, infinite_sample):
        make(tmp_path / f"{make.__name__}.wav")
    sf.write(tmp_path / "fine.wav", noise(1), RATE)
    report = embed(bundle, tmp_path, tmp_path / "out", nonfinite="zero")
    assert report.failed == 0
    counted = {row["id"]: row["nonfinite"] for row in open_store(tmp_path / "out").clips().to_pylist()}
    assert counted == {"nan_sample.wav": 1, "infinite_sample.wav": 1, "fine.wav": 0}
    assert np.isfinite(open_store(tmp_path / "out").embeddings()).all()


def test_f8_silence_is_flagged_and_one_sample_is_one_window(bundle, tmp_path):
    for name, samples in {
        "silence": np.zeros(RATE),
        "constant": np.full(RATE, 0.5),
        "one": np.full(1, 0.5),
        "noise": noise(1),
    }.items():
        sf.write(tmp_path / f"{name}.wav", samples, RATE)
    assert embed(bundle, tmp_path, tmp_path / "out", window_s=0.5).failed == 0
    clips = {row["id"].removesuffix(".wav"): row for row in open_store(tmp_path / "out").clips().to_pylist()}
    assert {name: row["silent"] for name, row in clips.items()} == {
        "silence": True,
        "constant": True,
        "one": True,
        "noise": False,
    }
    assert (clips["one"]["windows"], clips["one"]["duration_s"]) == (1, 1 / RATE)
    assert np.isfinite(open_store(tmp_path / "out").embeddings()).all()


def test_f9_eight_channels_are_their_mean(bundle, tmp_path):
    channels = np.stack([noise(1, seed) for seed in range(8)], axis=1)
    sf.write(tmp_path / "eight.wav", channels, RATE, subtype="FLOAT")
    sf.write(tmp_path / "mean.wav", channels.mean(axis=1), RATE, subtype="FLOAT")
    embed(bundle, tmp_path, tmp_path / "out")
    found = by_name(open_store(tmp_path / "out"))
    assert np.allclose(found["eight.wav"], found["mean.wav"], atol=1e-5)


def test_f13_a_file_that_vanishes_and_a_folder_named_like_a_sound(bundle, tmp_path):
    folder = tmp_path / "sounds"
    (folder / "folder.wav").mkdir(parents=True)
    for name in ("a.wav", "b.wav", "c.wav"):
        sf.write(folder / name, noise(0.5), RATE)

    class Remover:
        def start(self, *_: object, **__: object) -> None:
            (folder / "c.wav").unlink()

        def advance(self, *_: object, **__: object) -> None: ...
        def close(self) -> None: ...

    report = embed(bundle, folder, tmp_path / "out", progress=Remover())
    assert (report.embedded, report.failed) == (2, 1)
    assert failures(tmp_path / "out") == {"c.wav": "does not exist"}


@pytest.mark.timeout(60)
def test_f13_files_named_one_by_one_may_be_missing_or_hang(bundle, tmp_path):
    sf.write(tmp_path / "a.wav", noise(0.5), RATE)
    os.mkfifo(tmp_path / "pipe.wav")
    began = time.monotonic()
    inputs = [tmp_path / name for name in ("a.wav", "pipe.wav", "gone.wav")]
    report = embed(bundle, inputs, tmp_path / "out")
    assert time.monotonic() - began < 10
    assert (report.embedded, report.failed) == (1, 2)
    assert set(failures(tmp_path / "out")) == {"pipe.wav", "gone.wav"}


SLOW_RUN = """
import sys, time
from audiossl.api import embed

class Slow:
    def start(self, *_, **__): pass
    def close(self): pass
    def advance(self, *_, **__): time.sleep(0.03)

embed(sys.argv[1], sys.argv[2], sys.argv[3], window_s=0.5, shard_items=4, progress=Slow())
"""


@pytest.mark.timeout(100)
def test_f33_a_killed_run_done_again_ends_with_the_rows_of_an_uninterrupted_one(bundle, tmp_path):
    folder, out = tmp_path / "sounds", tmp_path / "out"
    folder.mkdir()
    for index in range(60):
        sf.write(folder / f"{index:02d}.wav", noise(0.3 + 0.05 * (index % 20), index), RATE)
    (folder / "30 bad.wav").write_bytes(b"no sound")
    model = tmp_path / "encoder.safetensors"
    save_bundle(model, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics)
    child = subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(model), str(folder), str(out)])
    while child.poll() is None and len(list(out.glob("clips-*.parquet"))) < 4:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the run was over before it could be killed"
    before = open_store(out).clips().num_rows
    report = embed(model, folder, out, window_s=0.5, shard_items=4)
    assert before > 0 and report.embedded == 60 - before and report.failed == 1
    embed(model, folder, tmp_path / "whole", window_s=0.5)
    for kind in ("clips", "windows"):
        interrupted, whole = (open_store(place).table(kind).to_pylist() for place in (out, tmp_path / "whole"))
        assert interrupted == whole

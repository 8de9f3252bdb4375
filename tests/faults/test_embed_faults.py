"""F1-F10 and F13-F15 through `audiossl embed`: bad files are listed, good ones do not notice, odd ones are read."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from scipy.signal import resample_poly

from audiossl.api import embed
from audiossl.embedding.store import open_store
from audiossl_cli.app import run
from tests.faults.broken import BAD, CONTENTS, PLACES, RATE, Run, halved, noise, rotten, run_embed, tiny_bundle, wav


@pytest.mark.timeout(60)
def test_every_bad_file_is_listed_and_good_files_are_the_same_bit_for_bit_without_them(tiny_model, tmp_path):
    good, both = tmp_path / "good", tmp_path / "both"
    good.mkdir(), both.mkdir()
    for index, seconds in enumerate((1.0, 0.4, 1.0, 2.0)):
        sf.write(good / f"{index}.wav", noise(seconds, index), RATE)
        (both / f"{index}.wav").symlink_to(good / f"{index}.wav")
    for make in BAD:
        make(both / f"1 {make.__name__}.wav")
    clean = run_embed(tiny_model, good, tmp_path / "clean", "--window-s", 0.3)
    mixed = run_embed(tiny_model, both, tmp_path / "mixed", "--window-s", 0.3)
    assert (clean.code, *clean.counts) == (0, 4, 0, 0)
    assert (mixed.code, *mixed.counts) == (4, 4, 0, len(BAD))
    assert mixed.causes.keys() == {f"1 {make.__name__}.wav" for make in BAD}
    for make, cause in BAD.items():
        assert cause in mixed.causes[f"1 {make.__name__}.wav"]
    for kind in ("clips", "windows"):
        alone, among = (open_store(run.out).embeddings(kind) for run in (clean, mixed))
        assert np.array_equal(alone, among) and np.isfinite(among).all()


@pytest.mark.parametrize("make", CONTENTS, ids=lambda make: make.__name__)
def test_f1_f2_f5_f6_f7_f9_f10_a_bad_file_alone_is_exit_code_4_and_no_row(tiny_model, tmp_path, make, capsys):
    make(tmp_path / "bad.wav")
    only = run_embed(tiny_model, tmp_path / "bad.wav", tmp_path / "out")
    assert (only.code, *only.counts) == (4, 0, 0, 1)
    assert CONTENTS[make] in only.causes["bad.wav"] and not only.rows("windows")
    assert f"1 of 1 inputs failed; see {tmp_path / 'out' / 'failures.csv'}" in capsys.readouterr().err


def test_f3_f4_cut_files_give_the_windows_fully_inside_and_say_short(tiny_model, tmp_path):
    for name in ("a.wav", "b.mp3"):
        sf.write(tmp_path / name, noise(10), RATE)
    whole = run_embed(tiny_model, tmp_path, tmp_path / "whole", "--window-s", 1, "--hop-s", 0.5)
    for name in ("a.wav", "b.mp3"):
        halved(tmp_path / name)
    half = run_embed(tiny_model, tmp_path, tmp_path / "half", "--window-s", 1, "--hop-s", 0.5)
    assert (half.code, half.counts) == (0, (2, 0, 0))
    for name, clip in half.clips().items():
        rows, there = ([row for row in run.rows("windows") if row["id"] == name] for run in (half, whole))
        assert (clip["short"], whole.clips()[name]["short"]) == (True, False) and 4.5 < clip["duration_s"] < 5.1
        assert [row["start_s"] for row in rows] == [0.5 * index for index in range(clip["windows"])]
        assert rows[-1]["end_s"] <= clip["duration_s"] < rows[-1]["end_s"] + 0.5
        for row, same in list(zip(rows, there, strict=False))[:-1]:
            assert np.allclose(row["embedding"], same["embedding"], atol=1e-5), "an offset is wrong"


def test_f3_a_data_size_beyond_the_file_reads_what_is_there(tiny_model, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(size=0xFFFFFFFE))
    clip = run_embed(tiny_model, tmp_path, tmp_path / "out").clips()["a.wav"]
    assert (clip["short"], clip["duration_s"]) == (True, 1600 / RATE)


def test_f4_a_part_of_a_cut_mp3_longer_than_a_block_gives_what_is_there(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("audiossl.audio.reading.BLOCK_S", 2.0)
    sf.write(tmp_path / "a.mp3", noise(10), RATE)
    halved(tmp_path / "a.mp3")
    (tmp_path / "t.csv").write_text("path,start_s,end_s\na.mp3,1,10\na.mp3,8,9\n")
    part = run_embed(tiny_model, tmp_path / "t.csv", tmp_path / "out", "--window-s", 0.5)
    assert (part.code, part.counts) == (4, (1, 0, 1))
    (clip,) = part.rows()
    assert clip["short"] and [row["start_s"] for row in part.rows("windows")] == [1 + i / 2 for i in range(7)]


@pytest.mark.timeout(60)
def test_f5_damage_behind_the_first_block_leaves_no_row_of_the_windows_before_it(tiny_model, tmp_path):
    path = tmp_path / "a.flac"
    sf.write(path, noise(130, rate=8000), 8000)
    content = path.read_bytes()
    path.write_bytes(content[:-30_000] + bytes(3000) + content[-27_000:])
    late = run_embed(tiny_model, path, tmp_path / "out", "--window-s", 1)
    assert (late.code, late.counts) == (4, (0, 0, 1))
    assert not late.rows("clips") and not late.rows("windows")
    assert 60 < float(late.failures[0]["offset_s"]) < 130


def test_f5_a_rotten_mp3_gives_all_its_rows_or_none(tiny_model, tmp_path):
    path = tmp_path / "a.mp3"
    sf.write(path, noise(3), RATE)
    rotten(path)
    done = run_embed(tiny_model, path, tmp_path / "out", "--window-s", 0.5)
    if done.code == 4:
        assert done.counts == (0, 0, 1) and not done.rows("windows") and "damaged" in done.causes["a.mp3"]
    else:
        assert done.counts == (1, 0, 0) and done.clips()["a.mp3"]["windows"] == len(done.rows("windows")) > 0


def test_f6_nan_becomes_zero_when_asked_and_is_counted(tiny_model, tmp_path):
    samples, zeroed = noise(1), noise(1)
    samples[[100, 200]], zeroed[[100, 200]] = [np.nan, np.inf], 0
    for name, content in {"bad.wav": samples, "zeroed.wav": zeroed}.items():
        sf.write(tmp_path / name, content, RATE, subtype="FLOAT")
    done = run_embed(tiny_model, tmp_path, tmp_path / "out", "--nonfinite", "zero")
    assert done.code == 0
    assert {name: clip["nonfinite"] for name, clip in done.clips().items()} == {"bad.wav": 2, "zeroed.wav": 0}
    assert np.array_equal(done.embedding("bad.wav"), done.embedding("zeroed.wav"))


def test_f8_silence_is_flagged_and_one_sample_is_one_window(tiny_model, tmp_path):
    for name, samples in {
        "silence": np.zeros(RATE),
        "constant": np.full(RATE, 0.5),
        "one": np.full(1, 0.5),
        "noise": noise(1),
    }.items():
        sf.write(tmp_path / f"{name}.wav", samples, RATE)
    done = run_embed(tiny_model, tmp_path, tmp_path / "out", "--window-s", 0.5)
    clips = done.clips()
    silent = {name.removesuffix(".wav"): clip["silent"] for name, clip in clips.items()}
    assert done.code == 0 and silent == {"silence": True, "constant": True, "one": True, "noise": False}
    assert (clips["one.wav"]["windows"], clips["one.wav"]["duration_s"]) == (1, 1 / RATE)
    assert np.isfinite(open_store(done.out).embeddings("windows")).all()


def test_f9_eight_channels_are_their_mean(tiny_model, tmp_path):
    channels = np.stack([noise(1, seed) for seed in range(8)], axis=1)
    sf.write(tmp_path / "eight.wav", channels, RATE, subtype="FLOAT")
    sf.write(tmp_path / "mean.wav", channels.mean(axis=1), RATE, subtype="FLOAT")
    done = run_embed(tiny_model, tmp_path, tmp_path / "out")
    assert np.allclose(done.embedding("eight.wav"), done.embedding("mean.wav"), atol=1e-5)


def test_f10_192_khz_is_embedded_without_alias_and_as_long_as_it_is(tiny_model, tmp_path):
    heard = np.pad(noise(1), 500)
    high = resample_poly(heard, 12, 1).astype(np.float32)
    beyond = np.hanning(len(high)) * np.sin(2 * np.pi * 12_000 * np.arange(len(high)) / 192_000)
    for name, samples in {"high.wav": high, "with 12 kHz.wav": high + beyond}.items():
        sf.write(tmp_path / name, samples, 192_000, subtype="FLOAT")
    done = run_embed(tiny_model, tmp_path, tmp_path / "out")
    for clip in done.rows():
        assert abs(clip["duration_s"] - len(heard) / RATE) <= 1 / RATE and clip["sample_rate"] == 192_000
    without, with_tone = (done.embedding(name) for name in ("high.wav", "with 12 kHz.wav"))
    assert np.abs(without).max() > 0.1 and np.allclose(without, with_tone, atol=2e-3)


def test_f13_a_file_that_vanishes_and_a_folder_named_like_a_sound(tmp_path):
    folder = tmp_path / "sounds"
    (folder / "folder.wav").mkdir(parents=True)
    for name in ("a.wav", "b.wav", "c.wav"):
        sf.write(folder / name, noise(0.5), RATE)

    class Remover:
        def start(self, *_: object, **__: object) -> None:
            (folder / "c.wav").unlink(missing_ok=True)

        def advance(self, *_: object, **__: object) -> None: ...
        def close(self) -> None: ...

    report = embed(tiny_bundle(), folder, tmp_path / "out", progress=Remover())
    assert (report.embedded, report.failed) == (2, 1)
    assert Run(4, {}, tmp_path / "out").causes == {"c.wav": "does not exist"}


@pytest.mark.timeout(60)
def test_f13_names_without_a_file_are_listed_within_a_second_each(tiny_model, tmp_path, monkeypatch):
    sf.write(tmp_path / "good.wav", noise(0.5), RATE)
    sf.write(tmp_path / "secret.wav", noise(0.5), RATE)
    (tmp_path / "folder.wav").mkdir()
    for make in PLACES:
        make(tmp_path / f"{make.__name__}.wav")
    opened = os.open

    def guarded(path, *args, **keywords):
        if str(path).endswith("secret.wav"):  # the tests may run as root, who may read everything
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **keywords)

    monkeypatch.setattr(os, "open", guarded)
    run_embed(tiny_model, tmp_path / "good.wav", tmp_path / "warm")
    names = ["good", "secret", "gone", *(make.__name__ for make in PLACES)]
    began = time.monotonic()
    done = run_embed(tiny_model, [tmp_path / f"{name}.wav" for name in names], tmp_path / "out")
    assert time.monotonic() - began < len(names)
    assert (done.code, done.counts) == (4, (1, 0, 5))
    assert done.causes["secret.wav"] == "cannot be opened (Permission denied)"
    assert done.causes["gone.wav"] == "does not exist"
    for make, cause in PLACES.items():
        assert cause in done.causes[f"{make.__name__}.wav"]


ODD = [
    "new\nline.wav",
    "🐸 frog.wav",
    "-dash.wav",
    "<script>alert(1).wav",
    'é,"q"; \t.wav',
    "x" * 246 + ".wav",
    "[a]*.wav",
]


def test_f14_odd_names_come_back_exactly_in_parquet_csv_and_json(tiny_model, tmp_path, monkeypatch, capsys):
    sounds, out = tmp_path / "sounds 🐸\n<b>", tmp_path / "out 🐸\n<b>"
    sounds.mkdir()
    for seed, name in enumerate(ODD):
        sf.write(sounds / name, noise(0.2, seed), RATE)
    bad = ['bad\n"one", 🐸.wav', "-bad.wav", "<i>.wav", "y" * 246 + ".wav"]
    for name in bad:
        (sounds / name).write_bytes(b"x")
    done = run_embed(tiny_model, sounds, out)
    assert (done.code, done.counts, done.report["out"]) == (4, (len(ODD), 0, len(bad)), str(out))
    assert set(done.clips()) == set(ODD) and done.causes.keys() == set(bad)
    assert {row["path"] for row in done.rows()} == {str(sounds / name) for name in ODD}
    assert {row["path"] for row in done.failures} == {str(sounds / name) for name in bad}
    assert run_embed(tiny_model, sounds, out).counts == (0, len(ODD), len(bad)), "each is known again"

    table = tmp_path / "table.csv"
    assert run(["embeddings", "export", str(out), "--to", "csv", "--out", str(table)]) == 0
    with table.open(encoding="utf-8", newline="") as file:
        assert {(row["id"], row["path"]) for row in csv.DictReader(file)} == {(n, str(sounds / n)) for n in ODD}
    capsys.readouterr()
    assert run(["search", str(out), "--k", "6", "--json", "--", "-dash.wav"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert set(ODD) - {"-dash.wav"} == {hit["id"] for asked in hits for hit in asked["hits"]}

    monkeypatch.chdir(sounds)
    one = run_embed(tiny_model, [Path("-dash.wav"), Path("[a]*.wav")], tmp_path / "by name")
    assert {row["path"] for row in one.rows()} == {str(sounds / "-dash.wav"), str(sounds / "[a]*.wav")}


def test_f15_wav_content_under_another_name_is_read_by_content(tiny_model, tmp_path):
    sf.write(tmp_path / "true.wav", noise(1), RATE)
    (tmp_path / "false.mp3").write_bytes((tmp_path / "true.wav").read_bytes())
    done = run_embed(tiny_model, tmp_path, tmp_path / "out")
    assert (done.code, done.counts) == (0, (2, 0, 0))
    assert np.array_equal(done.embedding("true.wav"), done.embedding("false.mp3"))

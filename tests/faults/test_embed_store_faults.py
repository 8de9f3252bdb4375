"""F33-F36 through `audiossl embed`: killed, damaged, edited, full; the rows are those of one quiet run."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import audiossl.api
from audiossl.bundle.save import save_bundle
from tests.faults.broken import RATE, Run, nan_sample, noise, run_embed, text, tiny_bundle, zero_bytes

SCRIPT = Path(__file__).with_name("killed_embed.py")
SHARD_ITEMS = 4
MOMENTS = ("half:1", "done:5", "half:3", "half:5", "full:6", "half:7", "full:8", "half:9", "full:10")
"""Through every step of opening a store, writing a shard and naming it in the index."""


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """40 files of 50 to 250 ms, and 3 that are broken."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for index in range(40):
        sf.write(folder / f"{index:02d}.wav", noise(0.05 + 0.01 * (index % 20), index), RATE)
    for number, make in enumerate((text, nan_sample, zero_bytes)):
        make(folder / f"{15 * number} bad.wav")
    return folder


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Six files of different lengths."""
    folder = tmp_path / "few"
    folder.mkdir()
    for index in range(6):
        sf.write(folder / f"{index}.wav", noise(0.2 + 0.02 * index, index), RATE)
    return folder


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files to a shard."""
    monkeypatch.setattr(audiossl.api, "embed", partial(audiossl.api.embed, shard_items=2))


@pytest.mark.timeout(300)
def test_f33_after_ten_kills_the_rows_are_those_of_an_uninterrupted_run(tiny_model, sounds, tmp_path):
    def runs(out: Path, *moments: str) -> list[dict]:
        command = [sys.executable, str(SCRIPT), str(tiny_model), str(sounds), str(out), str(SHARD_ITEMS), *moments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    whole, final, before = Run(0, {}, tmp_path / "whole"), Run(0, {}, tmp_path / "killed"), 0
    run_embed(tiny_model, sounds, whole.out, "--window-s", 0.1)
    done = runs(final.out, *MOMENTS, "none", "exit")
    for run in done:
        assert run["code"] == (4 if run["moment"] == "none" else -signal.SIGKILL), run
        lost = run["done"] - (run["clips"] - before)
        assert -1 <= lost <= SHARD_ITEMS + 3, f"more than a shard and the broken files: {run}"
        before = run["clips"]
    assert before == 40 and done[-2]["done"] < 40, "the runs before the last one came to nothing"
    for kind in ("clips", "windows"):
        assert final.rows(kind) == whole.rows(kind)
    assert final.causes == whole.causes and len(final.causes) == 3
    assert not list(final.out.glob(".*.part"))
    assert len(list(final.out.glob("clips-*.parquet"))) == len(list(final.out.glob("windows-*.parquet")))


@pytest.mark.parametrize("kind", ["clips", "windows"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "deleted"])
def test_f34_a_damaged_shard_is_made_again_and_only_its_files_are_read(
    tiny_model, few, tmp_path, kind, damage, small_shards
):
    out = tmp_path / "out"
    whole = run_embed(tiny_model, few, out, "--workers", 1)
    rows = {name: whole.rows(name) for name in ("clips", "windows")}
    shard = out / f"{kind}-00001.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content) if damage == "flipped" else bytes(content[:-7]))
    if damage == "deleted":
        shard.unlink()
    again = run_embed(tiny_model, few, out, "--workers", 1)
    assert (again.code, again.counts) == (0, (2, 4, 0))
    assert {name: again.rows(name) for name in rows} == rows


def test_f34_a_damaged_index_is_refused_and_a_lost_one_means_to_begin_again(tiny_model, few, tmp_path, capsys):
    whole = run_embed(tiny_model, few, tmp_path / "out")
    rows, index = whole.rows("windows"), tmp_path / "out/index.json"
    content = index.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"\0" * len(content), b"[]"):
        index.write_bytes(damaged)
        capsys.readouterr()
        refused = run_embed(tiny_model, few, tmp_path / "out")
        assert refused.code == 3 and f"{index}: is damaged" in capsys.readouterr().err
    index.unlink()
    again = run_embed(tiny_model, few, tmp_path / "out")
    assert (again.code, again.counts) == (0, (6, 0, 0)) and again.rows("windows") == rows


def test_f35_an_edited_input_is_done_again_whether_its_size_or_its_time_tells(tiny_model, few, tmp_path):
    first = run_embed(tiny_model, few, tmp_path / "out")
    stamp = (few / "1.wav").stat().st_mtime_ns
    sf.write(few / "1.wav", noise(0.3, 99), RATE)
    os.utime(few / "1.wav", ns=(stamp, stamp))
    sf.write(few / "2.wav", noise(0.2 + 0.02 * 2, 98), RATE)
    second = run_embed(tiny_model, few, tmp_path / "out")
    assert (second.code, second.counts) == (0, (2, 4, 0))
    assert run_embed(tiny_model, few, tmp_path / "anew").rows("windows") == second.rows("windows")
    for name in first.clips():
        assert np.array_equal(first.embedding(name), second.embedding(name)), "both read the store as it is now"
    assert run_embed(tiny_model, few, tmp_path / "out").counts == (0, 6, 0)


def test_f35_a_file_that_breaks_loses_its_rows_and_one_that_is_mended_its_failure(tiny_model, few, tmp_path):
    run_embed(tiny_model, few, tmp_path / "out")
    content = (few / "1.wav").read_bytes()
    text(few / "1.wav")
    broken = run_embed(tiny_model, few, tmp_path / "out")
    assert (broken.code, broken.counts) == (4, (0, 5, 1))
    assert "1.wav" not in broken.clips() and list(broken.causes) == ["1.wav"]
    assert "1.wav" not in {row["id"] for row in broken.rows("windows")}
    (few / "1.wav").write_bytes(content)
    mended = run_embed(tiny_model, few, tmp_path / "out")
    assert (mended.code, mended.counts, mended.causes) == (0, (1, 5, 0), {})
    assert mended.rows() == run_embed(tiny_model, few, tmp_path / "anew").rows()


def test_f35_other_parameters_and_another_model_are_refused_and_nothing_is_touched(tiny_model, few, tmp_path, capsys):
    out = tmp_path / "out"
    run_embed(tiny_model, few, out, "--window-s", 0.1)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other, bundle = tmp_path / "other.safetensors", tiny_bundle(8000)
    save_bundle(other, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics)
    for model, flags, difference in (
        (tiny_model, ("--window-s", 0.05), "window_s: 0.1 there, 0.05 here"),
        (tiny_model, ("--window-s", 0.1, "--hop-s", 0.05), "hop_s: auto there, 0.05 here"),
        (tiny_model, ("--window-s", 0.1, "--nonfinite", "zero"), "nonfinite: error there, zero here"),
        (other, ("--window-s", 0.1), "model: "),
    ):
        capsys.readouterr()
        assert run_embed(model, few, out, *flags).code == 2
        said = capsys.readouterr().err
        assert difference in said and "give another --out" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("times", [1, 1000], ids=["for a moment", "for good"])
@pytest.mark.parametrize("kind", ["clips-00001", "windows-00001", "index", "failures"])
def test_f36_a_disk_that_fills_up_is_exit_code_6_and_the_next_run_completes(
    tiny_model, few, tmp_path, monkeypatch, capsys, kind, times, small_shards
):
    text(few / "bad.wav")
    out, flush, left = tmp_path / "out", os.fsync, times

    def full_disk(descriptor: int) -> None:
        nonlocal left
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if left and kind in path.name and (kind[-1] == "1" or len(list(out.glob("windows-*"))) >= 1):
            left -= 1
            os.truncate(path, path.stat().st_size // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full_disk)
    stopped = run_embed(tiny_model, few, out, "--workers", 1)
    assert stopped.code == 6 and "the disk is full" in capsys.readouterr().err
    readable = [row["path"] for row in stopped.rows()]
    assert len(set(readable)) == len(readable) and not list(out.glob(".*.part"))
    monkeypatch.setattr(os, "fsync", flush)
    done = run_embed(tiny_model, few, out, "--workers", 1)
    assert (done.code, done.report["failed"]) == (4, 1) and done.report["skipped"] == len(readable)
    quiet = run_embed(tiny_model, few, tmp_path / "quiet")
    assert done.rows("windows") == quiet.rows("windows") and not list(out.glob(".*.part"))


def test_f33_a_failure_mended_by_a_killed_run_that_could_not_say_so_is_none(tiny_model, few, tmp_path):
    sound, listed = (few / "1.wav").read_bytes(), tmp_path / "out/failures.csv"
    text(few / "1.wav")
    run_embed(tiny_model, few, tmp_path / "out")
    old = listed.read_bytes()
    (few / "1.wav").write_bytes(sound)
    run_embed(tiny_model, few, tmp_path / "out")
    listed.write_bytes(old)
    again = run_embed(tiny_model, few, tmp_path / "out")
    assert (again.code, again.counts, again.causes) == (0, (0, 6, 0), {})

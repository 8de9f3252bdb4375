"""Peak memory and time of the real `audiossl embed` against the number and the length of files.

    python benchmarks/embed_scale.py --files 100 1000 10000 100000 --minutes 1 10 60 600 [--broken 0.01]

Every point is a process of its own that fills a new store with sounds made for it: many of 0.4 s at 8 kHz in a tree of
folders, or one of so many minutes in windows of a second. The model is so small (AudioNTT2020, 16 bands, 64 dimensions)
that the pipeline is what is measured. Seconds per 1,000 files leave out what a run over one file takes. With --broken,
that share of the files is no sound, and the counts of the report and of failures.csv must say so.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
from rich.console import Console
from rich.table import Table

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.embeddings import open as open_embeddings
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.frontends import LogMelConfig
from audiossl.recipe.schema import Recipe

RATE, SECONDS = 8_000, 0.4
FILES_PER_FOLDER = 1_000
BROKEN = (b"", b"no sound at all", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"OggS" + bytes(60))
"""What stands in a broken file: nothing, words, half a header, zeros after an Ogg page's mark."""
SOME_FAILED = 4
"""The exit code of a run that left files out."""


class Run(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    report: dict[str, int]


def save_model(path: Path) -> Path:
    frontend = LogMelConfig(sample_rate=RATE, n_fft=256, window_length=256, hop=80, n_mels=16, f_max=4000.0)
    recipe = Recipe(name="small", frontend=frontend, encoder=AudioNtt2020Config(dim=64))
    bundle = untrained_bundle(recipe, Statistics(-7.0, 4.0), seed=0)
    save_bundle(path, encoder=bundle.encoder, recipe=recipe, statistics=bundle.statistics)
    return path


def make_files(folder: Path, count: int, broken: float) -> int:
    """Noise, another in every file; of every round(1 / broken) files the last is broken. Gives how many are."""
    draw, every, spoilt = np.random.default_rng(0), round(1 / broken) if broken else 0, 0
    for number in range(count):
        path = folder / f"{number // FILES_PER_FOLDER:03d}" / f"{number:06d}.wav"
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        if every and number % every == every - 1:
            path.write_bytes(BROKEN[spoilt % len(BROKEN)])
            spoilt += 1
        else:
            noise = draw.integers(-8000, 8000, round(SECONDS * RATE), dtype=np.int16)
            sf.write(path, noise, RATE, subtype="PCM_16")
    return spoilt


def make_long_file(path: Path, minutes: int) -> None:
    """A minute of noise, over and over."""
    minute = np.random.default_rng(0).integers(-8000, 8000, 60 * RATE, dtype=np.int16)
    with sf.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for _ in range(minutes):
            file.write(minute)


def embed(model: Path, inputs: Path, out: Path, *options: str, broken: int = 0) -> Run:
    """Run the command; check its exit code and that report, list of failures and store say the same."""
    command = [sys.executable, "-m", "audiossl_cli", "embed", str(model), str(inputs), "--out", str(out), "--json"]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen([*command, *options], stdout=printed, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall_s, code = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
        process.returncode = code
        printed.seek(0)
        report = json.loads(printed.read())
    with (out / "failures.csv").open(encoding="utf-8", newline="") as file:
        listed = len(list(csv.DictReader(file)))
    stored = len(open_embeddings(out))
    told = (code, report["failed"], listed, report["embedded"], stored)
    good = report["items"] - broken
    wanted = (SOME_FAILED if broken else 0, broken, broken, good, good)
    if told != wanted:
        raise SystemExit(f"exit code, failed, listed as failed, embedded, stored: {told}, but {wanted} are right")
    return Run(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, report)


def by_number(place: Path, model: Path, counts: Sequence[int], broken: float, console: Console) -> None:
    make_files(place / "one", 1, 0.0)
    start = embed(model, place / "one", place / "out-one")
    title = f"Files of {SECONDS} s; a run over one takes {start.wall_s:.1f} s, {start.cpu_s:.1f} of them of a core"
    table = Table(title=title, title_justify="left")
    for heading in ("files", "broken", "peak MB", "wall s", "s per 1,000 files", "core s per 1,000"):
        table.add_column(heading, justify="right")
    for count in counts:
        sounds, out = place / "sounds", place / "out"
        spoilt = make_files(sounds, count, broken)
        run = embed(model, sounds, out, broken=spoilt)
        per_1000 = [1000 * more / count for more in (run.wall_s - start.wall_s, run.cpu_s - start.cpu_s)]
        told = (f"{run.peak_mb:.0f}", f"{run.wall_s:.1f}", *(f"{seconds:.2f}" for seconds in per_1000))
        table.add_row(f"{count:,}", f"{spoilt:,}", *told)
        print(f"{count} files: {run.peak_mb:.0f} MB, {run.wall_s:.1f} s", file=sys.stderr)
        shutil.rmtree(sounds)
        shutil.rmtree(out)
    console.print(table)


def by_length(place: Path, model: Path, lengths: Sequence[int], console: Console) -> None:
    table = Table(title="One file, windows of 1 s", title_justify="left")
    for heading in ("minutes", "rows", "peak MB", "wall s"):
        table.add_column(heading, justify="right")
    for minutes in lengths:
        sound, out = place / "long.wav", place / "out"
        make_long_file(sound, minutes)
        run = embed(model, sound, out, "--window-s", "1")
        table.add_row(f"{minutes:,}", f"{run.report['windows']:,}", f"{run.peak_mb:.0f}", f"{run.wall_s:.1f}")
        print(f"{minutes} min: {run.peak_mb:.0f} MB, {run.wall_s:.1f} s", file=sys.stderr)
        sound.unlink()
        shutil.rmtree(out)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="*", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--minutes", type=int, nargs="*", default=[1, 10, 60, 600])
    parser.add_argument("--broken", type=float, default=0.0, help="share of the files that are no sound")
    options = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model = save_model(place / "encoder.safetensors")
        if options.files:
            by_number(place, model, options.files, options.broken, console)
        if options.minutes:
            by_length(place, model, options.minutes, console)


if __name__ == "__main__":
    main()

"""Sounds broken in every way of the fault matrix, with the words of their failures, and `audiossl embed` in process."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.embedding.store import Kind, open_store
from audiossl.recipe.encoders import CausalConfig
from audiossl.recipe.frontends import LogMelConfig
from audiossl.recipe.schema import Recipe
from audiossl_cli.app import run

RATE = 16_000


def tiny_bundle(sample_rate: int = RATE) -> Bundle:
    """The cheapest encoder of log-mels: what is tested is everything around it."""
    frontend = LogMelConfig(
        sample_rate=sample_rate, n_fft=512, window_length=512, hop=160, n_mels=16, f_max=sample_rate * 0.4
    )
    encoder = CausalConfig(channels=[4], kernels=[4], strides=[2], context=8)
    return untrained_bundle(Recipe(name="tiny", frontend=frontend, encoder=encoder), Statistics(-7.0, 4.0), seed=1)


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def wav(data: bytes = b"\1\0" * 1600, *, rate: int = RATE, channels: int = 1, size: int | None = None) -> bytes:
    """A 16-bit WAV with any header; `size` is what the header says of the data."""
    width = 2 * channels
    chunk = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * width % 2**32, width % 2**16, 16)
    declared = len(data) if size is None else size
    riff = min(36 + declared, 2**32 - 1)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + chunk + b"data" + struct.pack("<I", declared) + data


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rotten(path: Path) -> None:
    """600 bytes in the middle replaced."""
    content, half = path.read_bytes(), path.stat().st_size // 2
    path.write_bytes(content[:half] + np.random.default_rng(1).bytes(600) + content[half + 600 :])


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("this is no sound")


def short_header(path: Path) -> None:
    path.write_bytes(wav()[:20])


def no_frames(path: Path) -> None:
    sf.write(path, noise(0), RATE)


def data_of_length_0(path: Path) -> None:
    path.write_bytes(wav(size=0))


def cut_flac(path: Path) -> None:
    sf.write(path, noise(3), RATE, format="FLAC")
    halved(path)


def rotten_flac(path: Path) -> None:
    sf.write(path, noise(3), RATE, format="FLAC")
    rotten(path)


def nan_sample(path: Path) -> None:
    samples = noise(1)
    samples[100] = np.nan
    sf.write(path, samples, RATE, subtype="FLOAT")


def infinite_sample(path: Path) -> None:
    samples = noise(1)
    samples[-1] = np.inf
    sf.write(path, samples, RATE, subtype="FLOAT")


def huge_sample(path: Path) -> None:
    samples = noise(1)
    samples[500] = 4e29
    sf.write(path, samples, RATE, subtype="FLOAT")


def many_channels(path: Path) -> None:
    path.write_bytes(wav(bytes(131_070), channels=65_535))


def no_channels(path: Path) -> None:
    path.write_bytes(wav(channels=0))


def rate_of_1(path: Path) -> None:
    path.write_bytes(wav(rate=1))


def rate_of_0(path: Path) -> None:
    path.write_bytes(wav(rate=0))


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "gone")


CONTENTS: dict[Callable[[Path], None], str] = {
    zero_bytes: "is empty (0 bytes)",
    text: "is not a sound file of a known format",
    short_header: "cannot be read",
    no_frames: "has no samples",
    data_of_length_0: "has no samples",
    cut_flac: "is damaged",
    rotten_flac: "is damaged",
    nan_sample: "sample 100 is not finite",
    infinite_sample: "sample 15999 is not finite",
    huge_sample: "peak 4e+29 is far above full scale",
    many_channels: "channels",
    no_channels: "Channel count is zero",
    rate_of_1: "sample rate 1 Hz is outside",
    rate_of_0: "sample rate",
}
"""F1, F2, F5, F6, F7, F9, F10: files whose content cannot be embedded."""

PLACES: dict[Callable[[Path], None], str] = {
    fifo: "is a FIFO",
    link_to_itself: "cannot be opened",
    link_to_nothing: "does not exist",
}
"""F13: names behind which there is no file."""

BAD = CONTENTS | PLACES


@dataclass(frozen=True)
class Run:
    """What one `audiossl embed` gave."""

    code: int
    report: dict[str, Any]
    out: Path

    @property
    def counts(self) -> tuple[int, int, int]:
        """Embedded, there already, failed."""
        return tuple(self.report[name] for name in ("embedded", "skipped", "failed"))

    @property
    def failures(self) -> list[dict[str, str]]:
        """The rows of `failures.csv`."""
        with (self.out / "failures.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def causes(self) -> dict[str, str]:
        """Cause by the name of each file that failed."""
        return {Path(row["path"]).name: row["cause"] for row in self.failures}

    def rows(self, kind: Kind = "clips") -> list[dict[str, Any]]:
        """Every row but what depends on when and where the file was made."""
        table = open_store(self.out).table(kind)
        return table.drop_columns([name for name in ("bytes", "mtime_ns") if name in table.column_names]).to_pylist()

    def clips(self) -> dict[str, dict[str, Any]]:
        """The row of each file, by its name."""
        return {row["id"]: row for row in self.rows()}

    def embedding(self, name: str) -> np.ndarray:
        """Of one file, (D,)."""
        return np.array(self.clips()[name]["embedding"], np.float32)


def run_embed(model: Path, inputs: Path | Sequence[Path], out: Path, *flags: object) -> Run:
    """`audiossl embed MODEL INPUT... --out DIR --json`, in this process."""
    paths = [inputs] if isinstance(inputs, Path) else inputs
    said = io.StringIO()
    with redirect_stdout(said):
        code = run(["embed", str(model), "--out", str(out), "--json", *map(str, flags), "--", *map(str, paths)])
    return Run(code, json.loads(said.getvalue() or "{}"), out)

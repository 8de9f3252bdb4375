"""Our log-mel front ends against torchaudio's and librosa's, on the same clips, in interleaved rounds of one run.

    python benchmarks/frontend.py --rounds 15

Prints, per settings, the median CPU milliseconds per clip and the median over rounds of (theirs / ours). One thread.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import argparse
import statistics
import time
from collections.abc import Callable

import librosa
import numpy as np
import torch
import torchaudio
from rich.console import Console
from rich.table import Table

from audiossl.audio.frontend import build_frontend
from audiossl.recipe.frontends import ByolaConfig, FonsecaConfig, LogMelConfig

OURS, BATCHED = "audiossl", "torchaudio, batched"


def contenders(config: LogMelConfig, x_BS: torch.Tensor) -> dict[str, Callable[[], torch.Tensor]]:
    """Ways to the same log-mel (B, F, T), by name; ours first."""
    log = {"log10": torch.log10, "ln": torch.log}[config.log]
    norm = None if config.mel_norm == "none" else config.mel_norm
    ours = build_frontend(config)
    window = {"hann": torch.hann_window, "hamming": torch.hamming_window}[config.window]
    theirs = torchaudio.transforms.MelSpectrogram(
        config.sample_rate, config.n_fft, config.window_length, config.hop, config.f_min, config.f_max,
        n_mels=config.n_mels, window_fn=window, norm=norm, mel_scale=config.mel_scale,
    )  # fmt: skip
    clips = list(x_BS.numpy())

    def by_librosa() -> torch.Tensor:
        mels = [
            librosa.feature.melspectrogram(
                y=clip, sr=config.sample_rate, n_fft=config.n_fft, hop_length=config.hop,
                win_length=config.window_length, window=config.window, pad_mode="reflect", n_mels=config.n_mels,
                fmin=config.f_min, fmax=config.f_max, norm=norm, htk=config.mel_scale == "htk",
            )
            for clip in clips
        ]  # fmt: skip
        return log(torch.from_numpy(np.stack(mels)) + config.eps)

    return {
        OURS: lambda: ours(x_BS)[:, 0],
        BATCHED: lambda: log(theirs(x_BS) + config.eps),
        "torchaudio, per clip": lambda: torch.stack([log(theirs(x) + config.eps) for x in x_BS]),
        "librosa, per clip": by_librosa,
    }


def measure(config: LogMelConfig, seconds: float, clips: int, rounds: int, console: Console) -> float:
    """Print one table; give the ratio to torchaudio's batched form."""
    noise = torch.randn(clips, round(seconds * config.sample_rate), generator=torch.Generator().manual_seed(0))
    ways = contenders(config, 0.1 * noise)
    with torch.inference_mode():
        warm = {name: way() for name, way in ways.items()}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.process_time()
                way()
                taken[name].append((time.process_time() - start) / clips * 1e3)
    table = Table(
        title=f"{config.name}: {clips} clips of {seconds:g} s, {rounds} rounds, 1 thread", title_justify="left"
    )
    for heading in ("front end", "CPU ms per clip", "times ours", "largest difference"):
        table.add_column(heading, justify="left" if heading == "front end" else "right")
    ratios = {name: statistics.median(b / a for a, b in zip(taken[OURS], taken[name], strict=True)) for name in ways}
    for name in ways:
        apart = (warm[name] - warm[OURS]).abs().max().item()
        table.add_row(name, f"{statistics.median(taken[name]):.3f}", f"{ratios[name]:.2f}", f"{apart:.1e}")
    console.print(table)
    return ratios[BATCHED]


def main() -> None:
    """Run both settings; exit 1 when ours is below the bar against torchaudio's batched form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--bar", type=float, default=2.8, help="least ratio for fonseca2021 (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    ratio = measure(FonsecaConfig(), 1.0, options.clips, options.rounds, console)
    measure(ByolaConfig(), 0.95, options.clips, options.rounds, console)
    if ratio < options.bar:
        raise SystemExit(
            f"fonseca2021 is {ratio:.2f} times as fast as torchaudio's batched form; the bar is {options.bar}"
        )


if __name__ == "__main__":
    main()

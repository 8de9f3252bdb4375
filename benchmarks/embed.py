"""`audiossl embed` against a per-file loop as published evaluation scripts have it, and against what its parts allow.

    python benchmarks/embed.py --files ESC-10/ --model audiontt2020 --rounds 3 --cold --one-worker

The loop: for each file librosa.load at the model's rate, torchaudio's mel spectrogram, and the network as published
(float32, contiguous, the ReLU before the maximum) on a batch of 1, with as many threads as cores. Ours:
`audiossl.embed` into a new store. Both have the same weights and front end; the least cosine of their embeddings is
printed. The limit: cores over the core-seconds per file of the parts, each measured alone on one thread, the encoder at
its best batch.

All take turns in one process; figures are medians over rounds, ratios are medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import torch
import torchaudio
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import audiossl
from audiossl.audio.decode import decode, resample
from audiossl.audio.windows import Samples, cut
from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.load import load_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.walk import find_sounds
from audiossl.devices import cores, multiplies_bf16, one_thread_per_worker
from audiossl.encoders.blocks import ConvBlock
from audiossl.encoders.build import build_encoder
from audiossl.encoders.inference import inference_form
from audiossl.recipe.load import load_recipe

ARCHITECTURES = {
    "audiontt2020": ("audio/byola_v1", ["encoder.dim=2048"]),
    "vgg_like": ("audio/fonseca2021_vgg", []),
}
"""Untrained networks by name: the recipe that they are of, and what is said otherwise."""
BATCHES = (1, 2, 4, 8, 16)
ENCODED_WINDOWS = 48
"""Of which the encoder's cost is measured: a multiple of every batch."""
LOOP = "per-file loop"
DECODE, RESAMPLE, FRONT_END = "decode", "resample", "front end"
COMPARED_FILES = 40


class PerFileLoop:
    """One file after the other, one window after the other."""

    def __init__(self, bundle: Bundle) -> None:
        config = bundle.recipe.frontend
        self.bundle, self.config, self.network = bundle, config, as_published(bundle)
        self.log = {"log10": torch.log10, "ln": torch.log}[config.log]
        self.mel = torchaudio.transforms.MelSpectrogram(
            config.sample_rate, config.n_fft, config.window_length, config.hop, config.f_min, config.f_max,
            n_mels=config.n_mels, window_fn={"hann": torch.hann_window, "hamming": torch.hamming_window}[config.window],
            norm=None if config.mel_norm == "none" else config.mel_norm, mel_scale=config.mel_scale, power=config.power,
        )  # fmt: skip

    @torch.no_grad()
    def __call__(self, files: Sequence[Path]) -> np.ndarray:
        """Embeddings (N, D), each the mean over its file's windows."""
        rows = []
        for path in files:
            samples, rate = librosa.load(path, sr=self.config.sample_rate)  # noqa: TID251 - as the scripts do
            windows = cut(samples, int(rate), self.bundle.recipe.embedding)
            rows.append(np.mean([self.embed(window.samples) for window in windows], axis=0))
        return np.stack(rows)

    def embed(self, samples: Samples) -> np.ndarray:
        wave = torch.from_numpy(self.bundle.frontend.prepare(samples)) + self.config.wave_eps
        logmel = self.log(self.mel(wave[None]) + self.config.eps)
        return self.network(self.bundle.normalise(logmel)[None])[0].numpy()


def as_published(bundle: Bundle) -> nn.Module:
    """The bundle's network with contiguous weights, and the maximum after the ReLU."""
    network = build_encoder(bundle.recipe.encoder, bundle.recipe.frontend.n_mels).eval().requires_grad_(False)
    network.load_state_dict(bundle.encoder.state_dict())
    for module in list(network.modules()):
        if isinstance(module, ConvBlock):
            module.mp, module.relu = module.relu, module.mp
        if type(module) is nn.Sequential:
            for at in range(len(module) - 1):
                if isinstance(module[at], nn.MaxPool2d) and isinstance(module[at + 1], nn.ReLU):
                    module[at], module[at + 1] = module[at + 1], module[at]
    return network.to(memory_format=torch.contiguous_format)


def ours(bundle: Bundle, files: Sequence[Path], out: Path, **options: object) -> None:
    """`audiossl.embed` of all files into the folder `out`."""
    report = audiossl.embed(bundle, files, out, device="cpu", **options)
    assert report.embedded == len(files), f"{report.failed} files failed, {report.skipped} were left out"


def ours_anew(bundle: Bundle, files: Sequence[Path], **options: object) -> None:
    """The same into a new store, which is thrown away."""
    with tempfile.TemporaryDirectory() as out:
        ours(bundle, files, Path(out), **options)


def least_cosine(bundle: Bundle, files: Sequence[Path]) -> float:
    """Between the loop's embedding and ours, over `files`."""
    theirs = PerFileLoop(bundle)(files)
    with tempfile.TemporaryDirectory() as out:
        ours(bundle, files, Path(out))
        store = audiossl.embeddings.open(out)
        place = {path: row for row, path in enumerate(store.table()["path"].to_pylist())}
        mine = store.numpy()[[place[str(path)] for path in files]]
    return float((np.sum(theirs * mine, axis=1) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(mine, axis=1)).min())


@dataclass
class Contender:
    """A way to embed all files, and what it took: one value per round."""

    name: str
    embed: Callable[[Sequence[Path]], object]
    workers: int
    cold: bool = False
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def run(self, files: Sequence[Path]) -> None:
        if self.cold:
            drop_from_page_cache(files)
        wall, cpu = time.perf_counter(), time.process_time()
        self.embed(files)
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s.append(time.process_time() - cpu)


def drop_from_page_cache(files: Iterable[Path]) -> None:
    """The next to read them waits for the disk."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


class Parts:
    """Core-seconds per file of every part alone on one thread; one value per round."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.forms = {"float32": inference_form(bundle.encoder)}
        if multiplies_bf16(torch.device("cpu")):
            self.forms["bf16"] = inference_form(bundle.encoder, bf16=True)
        self.taken: dict[str, list[float]] = {}
        self.windows_per_file = 1.0

    @torch.inference_mode()
    def run(self, files: Sequence[Path]) -> None:
        spent: Counter[str] = Counter()
        spectrograms: list[Tensor] = []
        windows = 0
        with one_thread_per_worker():
            for path in files:
                sound = timed(spent, DECODE, lambda path=path: decode(path, None))
                samples = timed(
                    spent, RESAMPLE, lambda x=sound: resample(x.samples, x.sample_rate, self.bundle.sample_rate)
                )
                for window in cut(samples, self.bundle.sample_rate, self.bundle.recipe.embedding):
                    x_BCFT = timed(spent, FRONT_END, lambda window=window: self.spectrogram(window.samples))
                    windows += 1
                    if len(spectrograms) < ENCODED_WINDOWS:
                        spectrograms.append(x_BCFT)
            self.windows_per_file = windows / len(files)
            self.run_encoder(spectrograms, spent)
        for part, seconds in spent.items():
            share = 1 / len(files) if part in (DECODE, RESAMPLE, FRONT_END) else self.windows_per_file
            self.taken.setdefault(part, []).append(seconds * share)

    def spectrogram(self, samples: Samples) -> Tensor:
        return self.bundle.spectrogram(torch.from_numpy(self.bundle.frontend.prepare(samples))[None])

    def run_encoder(self, spectrograms: Sequence[Tensor], spent: Counter[str]) -> None:
        """Seconds per window into `spent`, for every batch and precision, and for all cores at once."""
        longest = Counter(x.shape[3] for x in spectrograms).most_common(1)[0][0]
        x_BCFT = torch.cat([x for x in spectrograms if x.shape[3] == longest])
        x_BCFT = x_BCFT[torch.arange(ENCODED_WINDOWS) % len(x_BCFT)]
        for precision in self.forms:
            taken = {batch: self.encode(precision, x_BCFT, batch) for batch in BATCHES}
            for batch, seconds in taken.items():
                spent[encoder_part(precision, batch)] = seconds / ENCODED_WINDOWS
            encode_best = partial(self.encode, precision, x_BCFT, min(BATCHES, key=taken.__getitem__))
            with ThreadPoolExecutor(cores()) as pool:
                together = [each.result() for each in [pool.submit(encode_best) for _ in range(cores())]]
            spent[f"encoder, {precision}, all cores at once"] = statistics.mean(together) / ENCODED_WINDOWS

    @torch.inference_mode()
    def encode(self, precision: str, x_BCFT: Tensor, batch: int) -> float:
        """This thread's seconds."""
        start = time.thread_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            for part in x_BCFT.split(batch):
                self.forms[precision](part)
        return time.thread_time() - start

    def median(self, part: str) -> float:
        return statistics.median(self.taken[part])

    def best_batch(self, precision: str) -> int:
        return min(BATCHES, key=lambda batch: self.median(encoder_part(precision, batch)))

    def of_limit(self, precision: str) -> list[str]:
        """The parts whose sum is the least that a file can cost."""
        return [DECODE, RESAMPLE, FRONT_END, encoder_part(precision, self.best_batch(precision))]

    def limits(self, precision: str) -> list[float]:
        """Core-seconds per file, one value per round."""
        return [sum(values) for values in zip(*(self.taken[part] for part in self.of_limit(precision)), strict=True)]


def encoder_part(precision: str, batch: int) -> str:
    return f"encoder, {precision}, batch {batch}"


def timed(spent: Counter[str], part: str, work: Callable[[], object]):
    start = time.thread_time()
    result = work()
    spent[part] += time.thread_time() - start
    return result


def contenders(bundle: Bundle, cold: bool, one_worker: bool) -> list[Contender]:
    everywhere = [
        Contender(LOOP, PerFileLoop(bundle), cores()),
        Contender("audiossl, float32", partial(ours_anew, bundle), cores()),
    ]
    more = [Contender("audiossl, float32, 1 worker", partial(ours_anew, bundle, workers=1), 1)] if one_worker else []
    if multiplies_bf16(torch.device("cpu")):
        more.append(Contender("audiossl, bf16", partial(ours_anew, bundle, precision="bf16"), cores()))
    again = [replace(one, name=f"{one.name}, cold files", cold=True, wall_s=[], cpu_s=[]) for one in everywhere]
    return everywhere + more + (again if cold else [])


def show(console: Console, title: str, all_: Sequence[Contender], parts: Parts, files: int) -> None:
    table = Table(title=title, title_justify="left")
    for heading in ("contender", "files/s", "CPU ms per file", "use of the cores", "times the loop", "of the limit"):
        table.add_column(heading, justify="left" if heading == "contender" else "right")
    loops = {one.cold: one.wall_s for one in all_ if one.name.startswith(LOOP)}
    for one in all_:
        wall_s, cpu_s = statistics.median(one.wall_s), statistics.median(one.cpu_s)
        faster = statistics.median(loop / mine for loop, mine in zip(loops[one.cold], one.wall_s, strict=True))
        limits = parts.limits("bf16" if "bf16" in one.name else "float32")
        reached = statistics.median(
            files * limit / one.workers / mine for limit, mine in zip(limits, one.wall_s, strict=True)
        )
        use = statistics.median(c / w / cores() for c, w in zip(one.cpu_s, one.wall_s, strict=True))
        is_loop = one.name.startswith(LOOP)
        table.add_row(
            one.name,
            f"{files / wall_s:.1f}",
            f"{1000 * cpu_s / files:.1f}",
            f"{use:.0%}",
            "" if is_loop else f"{faster:.2f}",
            "" if is_loop else f"{reached:.2f}",
        )
    for precision in ("float32", "bf16"):
        if precision in parts.forms:
            limit = statistics.median(parts.limits(precision))
            table.add_row(f"limit, {precision}", f"{cores() / limit:.1f}", f"{1000 * limit:.1f}", "100%", "", "")
        else:
            console.print(f"audiossl, {precision}: not measured, because no core here multiplies it in hardware")
    console.print(table)


def show_parts(console: Console, all_: Sequence[Contender], parts: Parts, files: int) -> None:
    """Where our core-seconds go, and what each batch would cost."""
    mine = next(one for one in all_ if one.name == "audiossl, float32")
    table = Table(title="Parts of audiossl, float32", title_justify="left")
    for heading in ("part", "core ms per file", "share"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    whole = statistics.median(cores() * wall for wall in mine.wall_s) / files
    best = encoder_part("float32", parts.best_batch("float32"))
    rows = {part: parts.median(part) for part in (DECODE, RESAMPLE, FRONT_END, best)}
    together = parts.median("encoder, float32, all cores at once")
    rows["encoder, what all cores at once lose"] = together - parts.median(best)
    used = statistics.median(mine.cpu_s) / files
    rows["encoder's batches, store, threads, everything else"] = used - sum(rows.values())
    rows["idle cores"] = whole - used
    for part, seconds in rows.items():
        table.add_row(part, f"{1000 * seconds:.2f}", f"{seconds / whole:.1%}")
    table.add_row("cores times wall", f"{1000 * whole:.2f}", "100%")
    console.print(table)
    for precision in parts.forms:
        costs = ", ".join(f"{b}: {1000 * parts.median(encoder_part(precision, b)):.2f}" for b in BATCHES)
        console.print(f"encoder, {precision}, core ms per file by windows in a batch: {costs}")


def find_model(name: str) -> Bundle:
    if name not in ARCHITECTURES:
        return load_bundle(Path(name))
    recipe, overrides = ARCHITECTURES[name]
    return untrained_bundle(load_recipe(recipe, overrides), Statistics(-7.0, 4.0), seed=0)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, required=True, help="a folder of sounds")
    parser.add_argument("--model", default="audiontt2020", help=f"a bundle, or {' or '.join(ARCHITECTURES)}, untrained")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit-files", type=int, help="take so many, evenly spread")
    parser.add_argument("--cold", action="store_true", help="also with files that are not in the page cache")
    parser.add_argument("--one-worker", action="store_true", help="also ours with one worker")
    parser.add_argument("--window-s", default="auto", help="seconds per window; auto: whole files (default)")
    parser.add_argument("--hop-s", default="auto")
    return parser.parse_args()


def main() -> None:
    options = read_options()
    torch.set_num_threads(cores())
    bundle = find_model(options.model)
    chosen = {name: value if value == "auto" else float(value) for name, value in
              (("window_s", options.window_s), ("hop_s", options.hop_s))}  # fmt: skip
    embedding = bundle.recipe.embedding.model_copy(update=chosen)
    bundle = replace(bundle, recipe=bundle.recipe.model_copy(update={"embedding": embedding}))
    files = [path.absolute() for path in find_sounds(options.files)]
    wanted = min(options.limit_files or len(files), len(files))
    files = [files[at * len(files) // wanted] for at in range(wanted)]
    console = Console(width=130)
    cosine = least_cosine(bundle, files[:: max(1, len(files) // COMPARED_FILES)])
    console.print(f"{options.model}: least cosine of our embeddings to the loop's {cosine:.7f}")
    all_, parts = contenders(bundle, options.cold, options.one_worker), Parts(bundle)
    for number in range(options.rounds):
        for one in all_:
            one.run(files)
            print(f"round {number + 1}: {one.name} {len(files) / one.wall_s[-1]:.1f} files/s", file=sys.stderr)
        parts.run(files)
    title = (
        f"{options.model}: {len(files)} files, window_s {options.window_s}, {options.rounds} rounds, {cores()} cores"
    )
    show(console, title, all_, parts, len(files))
    show_parts(console, all_, parts, len(files))


if __name__ == "__main__":
    main()

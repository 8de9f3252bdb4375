"""`audiossl embed`: from sounds or pictures to a folder of embeddings."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiossl_cli.console import duration, emit, emit_json, emit_table, progress

if TYPE_CHECKING:
    from audiossl.embedding.extract import EmbedReport


class Precision(str, enum.Enum):
    """Of the encoder."""

    single = "32"
    bf16 = "bf16"
    auto = "auto"


class EngineName(str, enum.Enum):
    """Where the work is done."""

    local = "local"
    ray = "ray"


class Pool(str, enum.Enum):
    """Of frames over time."""

    mean = "mean"
    mean_std = "mean+std"
    mean_max = "mean+max"
    none = "none"


class NonFinite(str, enum.Enum):
    """What to do with NaN and infinite samples."""

    error = "error"
    zero = "zero"


def embed(
    model: Annotated[
        str,
        typer.Argument(
            help="An encoder: the .safetensors file of a run, or the run's folder; or plain features: "
            "logmel, mfcc (of sounds), pixels, hog (of pictures)."
        ),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, patterns, URLs, CSV tables, manifests or their names; - for a list on stdin.",
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder for the embeddings (Parquet), or its URL; needed.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The folder that holds the files of a manifest or table.")
    ] = None,
    window_s: Annotated[
        str | None,
        typer.Option(metavar="S", help="Seconds per window; auto takes a file of up to 30 s whole [the model's]."),
    ] = None,
    hop_s: Annotated[
        str | None,
        typer.Option(metavar="S", help="Seconds between windows; auto is the window's length [the model's]."),
    ] = None,
    pool: Annotated[
        Pool | None,
        typer.Option(
            help="The encoder's frames over time: their mean, with the deviation or maximum beside it, or none: a row "
            "per frame [the encoder's own embedding]."
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Frames of this layer of the encoder, by default their mean; --layer list shows the names.",
        ),
    ] = None,
    batch_s: Annotated[
        str | None, typer.Option(metavar="S", help="Seconds of sound that the encoder takes at once [auto].")
    ] = None,
    workers: Annotated[
        str | None, typer.Option(metavar="N", help="Threads that read and encode [auto: one per core].")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps [auto].")] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="Of the encoder; auto: bf16 where it is fast in hardware [32].")
    ] = None,
    nonfinite: Annotated[
        NonFinite | None, typer.Option(help="A NaN or infinite sample fails its file, or becomes zero [error].")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Embed one of N parts, I from 0; all N in the same DIR read as one."),
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(help="local, or ray: the processes of a Ray cluster, on any machines [local]."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of the Ray cluster: auto or HOST:PORT [one of our own here].")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the files again that failed in an earlier run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Embed sounds or pictures, whichever the encoder was trained on: one row per window and one per file, in Parquet.

    The same command again continues, and does only what is new or has changed. Files that cannot be read are listed
    in failures.csv and never stop the others; the exit code is then 4.

    URLs are what fsspec opens: s3://bucket/folder, gs://, https://host/a.wav; passwords and queries in them are never
    stored. A list on stdin has a path or URL on each line, or NULs between them (find -print0). With --shard 0/4 to
    3/4 four processes, on any machines, share the work. A URL as DIR has no lock: let one run write there.

    With --engine ray (pip install 'audiossl-toolkit[ray]') every core, or every GPU, of the cluster gets a process, at
    most --workers of them. Run it on one of its machines, with audiossl installed on all. The model travels by itself;
    the files must be found under the same names everywhere. The folder is filled here, as without it.

    Example: audiossl embed runs/mine/encoder.safetensors recordings/ --out embeddings --window-s 1 --hop-s 0.5
    """
    from audiossl.api import embed as run
    from audiossl.errors import SomeInputsFailed, UsageError

    if layer == "list":
        list_layers(model, as_json)
        return
    if not files or not out:
        missing = "what to embed: INPUT, a file or a folder" if not files else "--out DIR for the embeddings"
        raise UsageError(f"give {missing}; see audiossl embed --help")
    told = {
        "window_s": number("--window-s", window_s),
        "hop_s": number("--hop-s", hop_s),
        "pool": pool and pool.value,
        "layer": layer,
        "batch_s": number("--batch-s", batch_s),
        "workers": number("--workers", workers),
        "device": device,
        "precision": precision and precision.value,
        "nonfinite": nonfinite and nonfinite.value,
        "engine": engine and engine.value,
        "address": address,
        "retry_failed": retry_failed or None,
    }
    options = {name: value for name, value in told.items() if value is not None}
    report = run(model, files, out, data=data, shard=shard, progress=progress(), **options)
    if as_json:
        emit_json(report.as_json())
    else:
        emit(sentence(report))
    if report.failed:
        raise SomeInputsFailed(f"{report.failed} of {report.items} inputs failed; see {report.failures}")


def list_layers(model: str, as_json: bool) -> None:
    """Print what `--layer` can name."""
    from audiossl.bundle.baseline import load_model
    from audiossl.embedding.extractor import describe_layers

    layers = describe_layers(load_model(model))
    if as_json:
        emit_json([layer._asdict() for layer in layers])
    else:
        rows = [[name, dimensions, frames or "one row"] for name, dimensions, frames in layers]
        emit_table(["layer", "dimensions", "frames per second or picture"], rows, title=model)


def number(flag: str, text: str | None) -> float | str | None:
    """The value of an option that is a number or the word `auto`."""
    from audiossl.errors import UsageError

    if text is None or text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"{flag} {text} is no number; write one, or auto") from None
    return int(value) if value.is_integer() else value


def sentence(report: EmbedReport) -> str:
    """What was done, for people."""
    done = f"{report.out}: {report.embedded} of {report.items} files embedded in {duration(report.wall_s)}"
    if report.embedded:
        rows = "frames" if report.parameters.get("pool") == "none" else "windows"
        told = [f"{report.files_per_s:.3g} files/s"]
        if report.times_real_time is not None:
            told = [f"{report.windows} {rows}", *told, f"{report.times_real_time:.0f} times real time"]
        done += f" ({', '.join(told)})"
    if report.skipped:
        done += f", {report.skipped} were there already"
    if report.failed:
        done += f", {report.failed} failed (listed in {report.failures})"
    return done + (f"; {precision_words(report.precision_check)}" if report.precision_check else "")


def precision_words(check: Mapping[str, Any]) -> str:
    """How far bf16 was from float32."""
    return (
        f"bf16 differs from float32 by {check['largest_difference']:.2g} at most, {check['largest_relative']:.2%} of a "
        f"row's largest value, lowest cosine {check['lowest_cosine']:.6f} (first {check['windows']} windows)"
    )

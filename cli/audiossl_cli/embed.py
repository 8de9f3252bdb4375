"""`audiossl embed`: from sounds to a folder of embeddings."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import duration, emit, emit_json, progress

if TYPE_CHECKING:
    from audiossl.embedding.extract import EmbedReport


class Precision(str, enum.Enum):
    """Of the encoder."""

    single = "32"
    bf16 = "bf16"
    auto = "auto"


class NonFinite(str, enum.Enum):
    """What to do with NaN and infinite samples."""

    error = "error"
    zero = "zero"


def embed(
    model: Annotated[str, typer.Argument(help="An encoder: the .safetensors file of a run, or the run's folder.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Sound files, folders, patterns, URLs, CSV tables, manifests or their names; - for a list on stdin.",
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for the embeddings (Parquet), or its URL.")],
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
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the files again that failed in an earlier run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Embed sounds: one row per window and one per file, in Parquet.

    The same command again continues, and does only what is new or has changed. Files that cannot be read are listed
    in failures.csv and never stop the others; the exit code is then 4.

    URLs are what fsspec opens: s3://bucket/folder, gs://, https://host/a.wav; passwords and queries in them are never
    stored. A list on stdin has a path or URL on each line, or NULs between them (find -print0). With --shard 0/4 to
    3/4 four processes, on any machines, share the work. A URL as DIR has no lock: let one run write there.

    Example: audiossl embed runs/mine/encoder.safetensors recordings/ --out embeddings --window-s 1 --hop-s 0.5
    """
    from audiossl.api import embed as run
    from audiossl.errors import SomeInputsFailed

    told = {
        "window_s": number("--window-s", window_s),
        "hop_s": number("--hop-s", hop_s),
        "batch_s": number("--batch-s", batch_s),
        "workers": number("--workers", workers),
        "device": device,
        "precision": precision and precision.value,
        "nonfinite": nonfinite and nonfinite.value,
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
        done += f" ({report.windows} windows, {report.sound_s / report.wall_s:.0f} times real time)"
    return done + (f", {report.skipped} were there already" if report.skipped else "")

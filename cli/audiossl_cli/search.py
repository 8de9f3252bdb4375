"""`audiossl search`: what in a folder of embeddings is like this, and what is there twice."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit, emit_json, emit_table, progress, say

if TYPE_CHECKING:
    from audiossl.embedding.hits import Hit
    from audiossl.embedding.search import Found

TIMES = ["start_s", "end_s"]


class Kind(str, enum.Enum):
    """Which rows."""

    windows = "windows"
    clips = "clips"


class Metric(str, enum.Enum):
    """Of two embeddings."""

    cosine = "cosine"
    dot = "dot"


class Index(str, enum.Enum):
    """How rows are found."""

    exact = "exact"
    faiss = "faiss"


def search(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder made by `audiossl embed`, or its URL.")],
    queries: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUERY]...",
            help="Ids or paths of items in DIR, or files from anywhere; NAME@2.5 asks with the window at 2.5 s.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", metavar="N", help="How many hits per query.")] = 20,
    kind: Annotated[
        Kind | None, typer.Option(help="Look among windows or whole clips [windows; clips with --duplicates].")
    ] = None,
    metric: Annotated[Metric, typer.Option(help="How similarity is measured.")] = Metric.cosine,
    exclude_group: Annotated[
        bool, typer.Option("--exclude-group", help="Leave out all of the query's own group (recording, speaker).")
    ] = False,
    standardise: Annotated[
        bool,
        typer.Option(
            "--standardise", help="Compare by what sets rows apart: mean 0 and deviation 1 in every dimension of DIR."
        ),
    ] = False,
    model: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The encoder that made DIR, where it is no longer in its place.")
    ] = None,
    index: Annotated[
        Index, typer.Option(help="faiss looks only near the query: for more than a million rows.")
    ] = Index.exact,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            "--save-sounds",
            metavar="OUT",
            help="Write every hit as a file into this folder: its sound as WAV, or its picture.",
        ),
    ] = None,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="List groups of near-duplicates instead; takes no query.")
    ] = False,
    threshold: Annotated[
        float, typer.Option(metavar="C", help="With --duplicates: the least cosine similarity.")
    ] = 0.99,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="PATH", help="Write the table to this file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find what is most like a query, or what is there twice, in a folder of embeddings of sounds or pictures.

    A query from the folder is never its own hit. A file from elsewhere is embedded by the model that made the folder.

    Examples: audiossl search embeddings bark.wav --k 5 --save hits
    audiossl search embeddings --duplicates --threshold 0.98
    """
    from audiossl.errors import UsageError

    if duplicates == bool(queries):
        raise UsageError("give --duplicates or a query, not both" if duplicates else "give a query, or --duplicates")
    if duplicates and standardise:
        raise UsageError("--standardise goes with a query; leave it or --duplicates out")
    if duplicates:
        told: dict[str, object] = {"kind": kind and kind.value, "threshold": threshold}
        list_duplicates(folder, csv, as_json, **{name: value for name, value in told.items() if value is not None})
        return
    from audiossl.embeddings import search as run

    found = run(
        folder,
        queries or [],
        k=k,
        kind=(kind or Kind.windows).value,
        metric=metric.value,
        exclude_group=exclude_group,
        index=index.value,
        standardise=standardise,
        model=model,
    )
    several = len(found) > 1
    heads = [[*([one.query] if several else []), rank] for one in found for rank, _ in enumerate(one.hits, 1)]
    columns, rows = table(heads, [hit for one in found for hit in one.hits])
    show([one.as_json() for one in found], [*(["query"] if several else []), "rank", *columns], rows, csv, as_json)
    if save:
        save_files(folder, found, save)


def list_duplicates(folder: str, csv: Path | None, as_json: bool, **options: object) -> None:
    """Print the groups of near-duplicates."""
    from audiossl.embeddings import duplicates as run

    report = run(folder, progress=progress(), **options)  # type: ignore[arg-type]
    heads = [[number] for number, group in enumerate(report.groups, 1) for _ in group]
    columns, rows = table(heads, [hit for group in report.groups for hit in group])
    show(report.as_json(), ["group", *columns], rows, csv, as_json)
    say(
        f"{len(report.groups):,} groups of {len(rows):,} near-duplicates (cosine {report.threshold:g} or more) among "
        f"{report.compared:,} {report.kind}"
    )


def table(heads: Sequence[Sequence[object]], hits: Sequence[Hit]) -> tuple[list[str], list[list[object]]]:
    """The names of a table's last columns, and its rows: heads, then hits; without times where nothing has one."""
    times = TIMES if not hits or any(hit.start_s is not None for hit in hits) else []
    rows = [
        [*head, hit.similarity, hit.path, *(getattr(hit, name) for name in times), ", ".join(hit.labels)]
        for head, hit in zip(heads, hits, strict=True)
    ]
    return ["similarity", "path", *times, "labels"], rows


def show(
    plain: object, columns: Sequence[str], rows: Sequence[Sequence[object]], csv: Path | None, as_json: bool
) -> None:
    """Print as JSON or as a table, and write the table where it is wanted."""
    if csv:
        import io
        from csv import writer

        from audiossl import files

        text = io.StringIO()
        writer(text, lineterminator="\n").writerows([columns, *rows])
        files.write_text(csv, text.getvalue())
    if as_json:
        emit_json(plain)
    elif rows:
        emit_table(columns, rows)
    else:
        emit("nothing found")


def save_files(folder: str, found: Sequence[Found], out: Path) -> None:
    """Write the hits as files; those that cannot be read are told, and the others written."""
    from audiossl.embedding.hit_files import save_hits
    from audiossl.errors import SomeInputsFailed

    saved = save_hits(folder, found, out)
    say(f"{len(saved.paths)} files written to {out}")
    if saved.failures:
        raise SomeInputsFailed("\n".join([*saved.failures[:5], f"{len(saved.failures)} hits cannot be read"]))

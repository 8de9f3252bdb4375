"""`audiossl data new`: a manifest for a user's own folder or table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiossl_cli.console import emit, emit_json, progress, say


def new(
    source: Annotated[
        Path, typer.Argument(help="A folder of sounds or pictures, or a table (.csv, .tsv) beside them.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.yaml", help="The manifest to write.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Of the data set; the folder's or table's when left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a commented manifest for your own data: labels, splits, folds and groups by their names, figures measured.

    Labels come from the names of folders or from a column. Read what was written: names can mislead.

    Example: audiossl data new my_sounds --out my_sounds.yaml
    """
    from audiossl.data.new_manifest import write_manifest

    made = write_manifest(source, out, name=name, force=force, progress=progress())
    report = made.report
    use = f"{out}" if made.root.resolve() == out.resolve().parent else f"{out} --data {made.root}"
    if as_json:
        facts = {what: getattr(report, what) for what in ("items", "classes", "splits", "folds", "groups", "faults")}
        emit_json({"manifest": str(out), "data": str(made.root), **facts})
        return
    found = [f"{report.items:,} items", f"{len(report.classes)} classes" if report.classes else "no labels"]
    found += [f"{len(parts)} {what}" for what, parts in (("splits", report.splits), ("folds", report.folds)) if parts]
    found += [f"{report.groups:,} groups"] * bool(report.groups)
    emit(f"{out}: {', '.join(found)}")
    for fault in report.faults[:5]:
        say(f"note: {fault}")
    for table in made.tables[:3]:
        say(f"note: {table} was not read and may say more; try `audiossl data new {table}`")
    say("the licence is `unknown`: fill it in")
    emit(f"next: audiossl data check {use}")

"""`audiossl data`: check a data set, list and show the manifests that come with audiossl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit_json, emit_table, progress
from audiossl_cli.data_fetch import fetch

if TYPE_CHECKING:
    from audiossl.data.check import CheckReport

TOLD = 5
"""Of a long list, so many are printed; `--json` prints all."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, show, fetch and check data sets.")
app.command()(fetch)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def check(
    source: Annotated[
        str, typer.Argument(help="A shipped manifest's name, a manifest, a CSV, a folder of sounds, or a sound file.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="The folder that holds the manifest's files.")
    ] = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Each file's label is the name of the folder it is in.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Decode every file to its end instead of reading only its header.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count what a data set lists and what is there; exit code 3 when something is wrong.

    Example: audiossl data check esc50 --data ESC-50-master
    """
    from audiossl.data.check import check as check_listing
    from audiossl.data.manifest import list_items
    from audiossl.errors import DataError

    listing = list_items(source, data, labels_from_folders=labels_from_folders)
    report = check_listing(listing, verify=verify, progress=progress())
    if as_json:
        from dataclasses import asdict

        seconds = report.durations
        emit_json({**asdict(report), "durations": seconds and seconds._asdict(), "faults": report.faults})
    else:
        emit_table(["what", "found"], _lines(report), title=f"{report.name} in {report.root}")
    if faults := report.faults:
        told = "\n".join(faults[:TOLD]) + (
            f"\n... and {len(faults) - TOLD:,} more (--json lists all)" * (len(faults) > TOLD)
        )
        raise DataError(f"{told}\n{report.name}: {len(faults):,} faults")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the manifests that come with audiossl.

    Example: audiossl data list
    """
    from audiossl.data.manifest import load_manifest, shipped_manifests

    manifests = [load_manifest(name) for name in shipped_manifests()]
    if as_json:
        emit_json(
            [
                {"name": one.name, "title": one.title, "items": one.expect.items, "licence": one.license.dataset}
                for one in manifests
            ]
        )
    else:
        emit_table(
            ["name", "items", "classes", "licence", "what"],
            [[one.name, one.expect.items, one.expect.classes, one.license.dataset, one.title] for one in manifests],
        )


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="A shipped manifest's name, or a manifest file.")],
    as_json: AsJson = False,
) -> None:
    """Show what a manifest says: licence, where it comes from, how its rows are made, its tasks and figures.

    Example: audiossl data show esc50
    """
    from audiossl.data.manifest import load_manifest

    manifest = load_manifest(source)
    told = manifest.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if as_json:
        emit_json(told)
        return
    from audiossl.recipe.yaml import dump_yaml
    from audiossl_cli.console import emit

    emit(dump_yaml(told).rstrip())


def _lines(report: CheckReport) -> list[list[str]]:
    rows = [
        ["items", f"{report.items:,}"],
        ["readable files", f"{report.files:,}" + ("" if report.verified else " (headers; --verify decodes them)")],
        ["listed but missing", _some(report.missing)],
        ["faulty rows", _some(report.rows)],
        ["there but not listed", _some(report.unlisted)],
        ["unreadable", _some([f"{path}: {cause}" for path, cause in report.unreadable])],
        ["shorter than promised", _some(report.short)],
        ["silent", _some(report.silent) if report.verified else "not looked at (--verify)"],
        ["duplicates", _some([" = ".join(paths) for paths in report.duplicates])],
    ]
    if span := report.durations:
        hours = f"{span.total_s / 3600:.2f} h" if span.total_s >= 3600 else f"{span.total_s:.1f} s"
        lengths = f"{span.shortest_s:.2f} to {span.longest_s:.2f} s, median {span.median_s:.2f} s"
        rows.append(["duration", f"{hours} in all; {lengths}"])
    rows += [
        ["sample rates", _counts(report.rates, " Hz")],
        ["channels", _counts(report.channels)],
        ["formats", _counts(report.formats)],
        ["classes", f"{len(report.classes)}: {_counts(report.classes)}" if report.classes else "no labels"],
        ["folds", _counts(report.folds)],
        ["splits", _counts(report.splits)],
        ["groups", f"{report.groups:,}"],
        ["texts", f"{report.texts:,}"],
        ["against the manifest", _some(report.differing)],
    ]
    return rows


def _some(lines: Sequence[str]) -> str:
    """How many there are, and the first few."""
    if not lines:
        return "0"
    more = f"\n... and {len(lines) - TOLD:,} more" if len(lines) > TOLD else ""
    return "\n".join([f"{len(lines):,}", *lines[:TOLD]]) + more


def _counts(counts: Mapping[str, int] | Mapping[int, int], unit: str = "") -> str:
    if len(counts) > 20 and len(set(counts.values())) == 1:
        return f"{next(iter(counts.values())):,} each"
    return ", ".join(f"{value}{unit} ({count:,})" for value, count in counts.items()) or "none"

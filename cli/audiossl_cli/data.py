"""`audiossl data`: the commands, and what `check` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit_json, emit_table, progress
from audiossl_cli.data_fetch import fetch
from audiossl_cli.data_new import new
from audiossl_cli.data_show import AsJson, list_, show

if TYPE_CHECKING:
    from audiossl.data.check import CheckReport

TOLD = 5
"""Of a long list, so many are printed; `--json` prints all."""

MANY = 20
"""So many classes are counted one by one."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, show, fetch and check data sets.")
app.command("list")(list_)
app.command()(show)
app.command()(fetch)
app.command()(new)


@app.command()
def check(
    source: Annotated[
        str,
        typer.Argument(
            help="A shipped manifest's name (esc50) or one of its tasks (esc50/esc10), a manifest, a CSV, a folder of "
            "sounds or pictures, or one file."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="The folder that holds the manifest's files.")
    ] = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="Each file's label is the name of the folder it is in.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Decode every file whole instead of reading only its header.")
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

        whole = asdict(report)
        emit_json({**whole, **whole.pop("seen"), "faults": report.faults})
    else:
        emit_table(["what", "found"], _lines(report), title=f"{report.name} in {report.root}")
    if faults := report.faults:
        told = "\n".join(faults[:TOLD]) + (
            f"\n... and {len(faults) - TOLD:,} more (--json lists all)" * (len(faults) > TOLD)
        )
        raise DataError(f"{told}\n{report.name}: {len(faults):,} faults")


def _lines(report: CheckReport) -> list[list[str]]:
    headers = "" if report.verified else " (headers; --verify decodes them)"
    others = [f"{count:,} {noun} file{'s' * (count > 1)}" for noun, count in report.others.items()]
    return [
        ["items", f"{report.items:,}"],
        ["readable files", f"{report.files:,}{headers}"],
        ["listed but missing", _some(report.missing)],
        ["faulty rows", _some(report.rows)],
        ["known to be missing", f"{report.left_out:,}"],
        ["there but not listed", _some(report.unlisted)],
        *[["left alone", ", ".join(others)] for _ in others[:1]],
        ["unreadable", _some([f"{path}: {cause}" for path, cause in report.unreadable])],
        ["duplicates", _some([" = ".join(paths) for paths in report.duplicates])],
        *([what, _seen(found)] for what, found in report.seen.rows()),
        ["classes", f"{len(report.classes)}: {_classes(report.classes)}" if report.classes else "no labels"],
        ["folds", _counts(report.folds)],
        ["splits", _counts(report.splits)],
        *([part, f"{sum(there.values()):,}: {_classes(there)}"] for part, there in report.by_part.items()),
        ["groups", f"{report.groups:,}" + (f", {report.crossing:,} in several parts" if report.crossing else "")],
        ["events", f"{sum(report.events.values()):,}: {_counts(report.events)}" if report.events else "0"],
        ["texts", f"{report.texts:,}"],
        ["unfair parts", _some(report.gaps)],
        ["against the manifest", _some(report.differing)],
    ]


def _some(lines: Sequence[str]) -> str:
    """How many there are, and the first few."""
    if not lines:
        return "0"
    more = f"\n... and {len(lines) - TOLD:,} more" if len(lines) > TOLD else ""
    return "\n".join([f"{len(lines):,}", *lines[:TOLD]]) + more


def _seen(found: object) -> str:
    """What a wing tells, in the words of a table."""
    match found:
        case None:
            return "not looked at (--verify)"
        case list():
            return _some(found)
        case dict():
            return _counts(found)
    return str(found)


def _classes(counts: Mapping[str, int]) -> str:
    """How many rows have each class, or the range where that would be a long list."""
    if len(counts) <= MANY or len(set(counts.values())) == 1:
        return _counts(counts)
    rows = sorted(counts.values())
    return f"{len(counts)} classes of {rows[0]:,} to {rows[-1]:,}, median {rows[len(rows) // 2]:,}"


def _counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    if len(counts) > MANY and len(set(counts.values())) == 1:
        return f"{next(iter(counts.values())):,} each"
    return ", ".join(f"{value} ({count:,})" for value, count in counts.items()) or "none"

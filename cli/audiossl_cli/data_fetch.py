"""`audiossl data fetch`: licence and size first, then download, verify, unpack, count."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiossl_cli.console import amount, emit, emit_json, progress, say

if TYPE_CHECKING:
    from audiossl.data.fetch import Fetched
    from audiossl.data.fetch_plan import Plan

COMMERCIAL = {
    "yes": "commercial use is allowed",
    "no": "commercial use is NOT allowed",
    "restricted": "commercial use is restricted",
    "unknown": "nobody has said whether commercial use is allowed; find out before you use it so",
}


def fetch(
    source: Annotated[str, typer.Argument(help="A shipped manifest's name, or a manifest file.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="A new folder for the data set.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="REMOTE", help="Only this remote of the manifest; repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")] = False,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep what was downloaded, in FOLDER-archives beside it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and leave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Download a data set, verify its checksums, unpack it safely, and count what is there.

    Shows the licence and the size first, and asks. The folder appears when all of the set is in it; the same command
    continues after an interruption, and does nothing where the set is there already.

    Example: audiossl data fetch esc50 --to ESC-50
    """
    from audiossl.data.fetch import fetch as fetch_planned
    from audiossl.data.fetch_plan import plan_fetch
    from audiossl.errors import DataError, UsageError

    plan = plan_fetch(source, to, only or ())
    if plan.parts:
        _tell(plan)
    if dry_run:
        if as_json:
            emit_json({**_facts(plan), "fetched": False})
        return
    if plan.parts and not yes:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on; read the licence above, and run again with --yes")
        if not typer.confirm("Fetch it?", err=True):
            say("nothing was fetched")
            raise typer.Exit(1)
    try:
        fetched = fetch_planned(plan, keep_archives=keep_archives, progress=progress())
    except KeyboardInterrupt:  # which typer would end without a word
        say("interrupted; what has come so far is kept, and the same command continues")
        raise typer.Exit(130) from None
    if as_json:
        emit_json({**_facts(plan), "fetched": True, **_outcome(fetched)})
    else:
        _report(plan, fetched)
    if fetched.report and (faults := fetched.report.faults):
        raise DataError(
            f"{faults[0]}\n{plan.manifest.name}: every checksum is right and the files are in {fetched.root}, "
            f"but {len(faults):,} things are not as the manifest says; `audiossl data check` lists them"
        )


def _tell(plan: Plan) -> None:
    """What it is, whose, how large, where to."""
    manifest = plan.manifest
    say(manifest.title or manifest.name)
    say(f"licence: {manifest.license.dataset}; {COMMERCIAL[manifest.license.commercial]}")
    if manifest.license.notes:
        say(f"         {manifest.license.notes}")
    if manifest.homepage:
        say(f"from:    {manifest.homepage}")
    if manifest.availability == "partial":
        say("part:    only a part of this set can be fetched; the rest is for you to bring")
    if manifest.notes:
        say(f"notes:   {manifest.notes.strip()}")
    for name in plan.remotes:
        sizes = [part.size for part in plan.parts if part.remote == name]
        say(f"fetch:   {name}, {len(sizes)} file{'s' * (len(sizes) > 1)}, {_size(sizes)}")
    if plan.missing:
        say(f"not now: {', '.join(plan.missing)}")
    exact = f" ({plan.bytes:,} bytes)" if plan.bytes else ""
    say(f"in all:  {_size([part.size for part in plan.parts])}{exact} to download, and more when unpacked")
    say(f"free:    {amount(plan.free_bytes, 'bytes')}")
    say(f"to:      {plan.folder}")
    if 2 * plan.bytes > plan.free_bytes:
        say("warning: archives and what they hold may together need more room than there is")


def _size(sizes: Sequence[int | None]) -> str:
    """Of several files together, as far as it is known."""
    known = amount(sum(size or 0 for size in sizes), "bytes")
    if None not in sizes:
        return known
    return f"{known} and more of unknown size" if any(sizes) else "of unknown size"


def _report(plan: Plan, fetched: Fetched) -> None:
    for note in fetched.notes:
        say(f"note: {note}")
    name = plan.source
    if not fetched.remotes:
        emit(f"{plan.manifest.name} is in {fetched.root} already; nothing was fetched")
    elif fetched.report:
        report = fetched.report
        emit(f"{plan.manifest.name} is in {fetched.root}: {report.items:,} items, {report.files:,} files")
    else:
        emit(f"{', '.join(fetched.remotes)} of {plan.manifest.name} is in {fetched.root}")
    if plan.missing:
        say(f"not fetched: {', '.join(plan.missing)}; `audiossl data fetch {name} --to {plan.folder}` brings them")
    counted_well = fetched.report is not None and not fetched.report.faults
    if counted_well or not (plan.missing or plan.parts):
        emit(f"use it with: --on {name} --data {fetched.root}")
    elif plan.manifest.availability == "partial":
        emit(f"bring the rest there, then use it with: --on {name} --data {fetched.root}")


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.manifest.name,
        "version": plan.manifest.version,
        "licence": plan.manifest.license.model_dump(mode="json"),
        "folder": str(plan.folder),
        "remotes": plan.remotes,
        "missing": plan.missing,
        "files": [{"remote": part.remote, "name": part.place.name, "bytes": part.size} for part in plan.parts],
        "bytes": plan.bytes,
        "free_bytes": plan.free_bytes,
    }


def _outcome(fetched: Fetched) -> dict[str, Any]:
    counted = fetched.report and {
        "items": fetched.report.items,
        "files": fetched.report.files,
        "faults": fetched.report.faults,
    }
    return {"data": str(fetched.root), "notes": fetched.notes, "counted": counted}

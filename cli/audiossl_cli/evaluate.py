"""`audiossl evaluate`: encoders beside their untrained twins and plain features, in one table."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit, emit_json, emit_table, progress, say

if TYPE_CHECKING:
    from audiossl.evaluation.scores import EvaluationReport
    from audiossl.evaluation.table import Cell


class Map(str, enum.Enum):
    """How the embedding map is drawn."""

    pca = "pca"
    tsne = "tsne"


def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Encoders: .safetensors files of runs, or runs' folders.")
    ],
    on: Annotated[
        str, typer.Option(metavar="SOURCE", help="Labelled sounds: a manifest's name, a manifest, a CSV, a folder.")
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The folder that holds the files of a manifest or table.")
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="How to score; may be repeated [lr_nested@1 and knn@1]."),
    ] = None,
    folds: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Test on this fold only; may be repeated [every fold in turn]."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.json and report.html into this folder.")
    ] = None,
    run_folder: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="The training's run folder, for curves in the page.")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Seed of an untrained encoder; may be repeated [0, 1 and 2]."),
    ] = None,
    labels_from_folders: Annotated[
        bool, typer.Option("--labels-from-folders", help="The subfolders of a folder are the classes.")
    ] = False,
    skip_failed: Annotated[
        bool, typer.Option("--skip-failed", help="Leave out files that cannot be decoded, and list them.")
    ] = False,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Score neither untrained encoders nor log-mel statistics.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Measure the baselines again, and do not keep their scores.")
    ] = False,
    map_kind: Annotated[Map | None, typer.Option("--map", help="How the page's embedding map is drawn [pca].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Score encoders on labelled sounds, beside the same encoders untrained and log-mel statistics.

    The data's own folds are used, each in turn the test. The classifier's strength is chosen within the training
    folds only.

    Example: audiossl evaluate runs/mine --on esc50 --data ESC-50-master --out runs/mine/evaluation
    """
    from audiossl.api import evaluate as run

    said = spoken(
        protocols=protocol,
        folds=folds,
        seeds=seed,
        map=map_kind and map_kind.value,
        labels_from_folders=labels_from_folders or None,
        skip_failed=skip_failed or None,
        baselines=False if no_baselines else None,
        cache=False if no_cache else None,
    )
    report = run(models, on, data=data, out=out, run_folder=run_folder, progress=progress(), **said)
    if as_json:
        emit_json(report.model_dump(mode="json"))
    else:
        show(report)
    if out is not None:
        say(f"the report is in {out / 'report.html'} and {out / 'report.json'}")


def spoken(**told: object) -> dict[str, object]:
    """The options that were said; the others keep their own defaults."""
    return {name: value for name, value in told.items() if value is not None and value != []}


def show(report: EvaluationReport) -> None:
    """Print the table, the gains in words, and what was left out."""
    from audiossl.evaluation.table import gain_sentence, lines, test_folds

    columns = ["embedding", *(head for name in report.protocols for head in (name, "95 %", "per fold or seed"))]
    rows = [
        [line.label, *(part for name in report.protocols for part in cells(line.cells.get(name)))]
        for line in lines(report)
    ]
    data = report.data
    counts = f"{data.n} sounds, {len(data.classes)} classes, {test_folds(data)}"
    emit_table(columns, rows, title=f"Accuracy in % on {data.source}: {counts}")
    for gain in report.gains:
        emit(gain_sentence(gain, report))
    if data.failed:
        say(f"left out, because they cannot be decoded ({len(data.failed)}):")
        for one in data.failed:
            say(f"  {one}")


def cells(cell: Cell | None) -> tuple[str, str, str]:
    """Value (± deviation over seeds), interval, the values of seeds or folds; empty where nothing was scored."""
    return ("", "", "") if cell is None else (cell.shown, cell.range, cell.parts)

"""`audiossl evaluate`: encoders beside their untrained twins and plain features, in one table."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl.errors import AudiosslError, SomeInputsFailed, UsageError
from audiossl_cli.console import emit, emit_json, emit_table, progress, say

if TYPE_CHECKING:
    from audiossl.evaluation.report.table import Cell
    from audiossl.evaluation.scores import EvaluationReport
    from audiossl.evaluation.suite import Suite

WIDE = 2
"""Up to so many protocols are shown with intervals and folds of their own columns."""
CONFUSIONS = 10


class Map(str, enum.Enum):
    """How the embedding map is drawn."""

    pca = "pca"
    tsne = "tsne"


def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Encoders: .safetensors files of runs, or runs' folders.")
    ],
    on: Annotated[
        list[str],
        typer.Option(
            metavar="SET",
            help="Labelled data: a manifest's name or NAME/TASK, a manifest, a CSV, a folder; may be repeated.",
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SET=]PATH", help="The folder that holds a set's files; without SET= the folder of every set."
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="How to score: a protocol, a file, or the group quick or full (see audiossl protocols); may be "
            "repeated [quick].",
        ),
    ] = None,
    folds: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Test on this fold only; may be repeated [every fold in turn]."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write report.json and report.html into this folder; of several sets into a folder each, with an "
            "index.html.",
        ),
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
    allow_duplicates: Annotated[
        bool,
        typer.Option(
            "--allow-duplicates", help="Score although an example is on both sides of a split, and list such."
        ),
    ] = False,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Score neither untrained encoders nor plain statistics.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Measure baselines and finished rounds of fine-tuning again; keep none.")
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Print every class too, and what is confused most often.")
    ] = False,
    map_kind: Annotated[Map | None, typer.Option("--map", help="How the page's embedding map is drawn [pca].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Score encoders on labelled data, beside the same encoders untrained and plain statistics of the files.

    The data's own folds or splits are used. The classifier's strength is chosen without the test. Several models and
    sets make one table. audiossl compare says whether a difference may be chance.

    Example: audiossl evaluate runs/mine --on esc50 --data ESC-50-master --out runs/mine/evaluation
    """
    from audiossl.evaluation.sets import told_places

    said = spoken(
        protocols=protocol,
        folds=folds,
        seeds=seed,
        map=map_kind and map_kind.value,
        labels_from_folders=labels_from_folders or None,
        skip_failed=skip_failed or None,
        allow_duplicates=allow_duplicates or None,
        baselines=False if no_baselines else None,
        cache=False if no_cache else None,
    )
    places = told_places(on, data or [])
    if len(on) == 1:
        from audiossl.evaluation.evaluate import evaluate as run

        place = places if isinstance(places, Path) or places is None else next(iter(places.values()))
        report = run(models, on[0], data=place, out=out, run_folder=run_folder, progress=progress(), **said)
        emit_json(report.model_dump(mode="json")) if as_json else show(report)
        if per_class and not as_json:
            show_classes(report)
        if out is not None:
            say(f"the report is in {out / 'report.html'} and {out / 'report.json'}")
        return
    from audiossl.evaluation.suite import evaluate_sets

    suite = evaluate_sets(models, on, data=places, out=out, run_folder=run_folder, progress=progress(), **said)
    emit_json(suite.report.model_dump(mode="json")) if as_json else show_sets(suite, per_class=per_class)
    if out is not None:
        say(f"the reports are in {out / 'index.html'} and {out / 'index.json'}")
    end(suite)


def spoken(**told: object) -> dict[str, object]:
    """The options that were said; the others keep their own defaults."""
    return {name: value for name, value in told.items() if value is not None and value != []}


def end(suite: Suite) -> None:
    """Leave as the sets that failed ask for: with a fault of ours as it came, otherwise with their number."""
    for error in suite.errors:
        if not isinstance(error, AudiosslError):
            raise error
    if failed := suite.report.failed:
        told = "\n".join(f"{one.name}: {one.reason}" for one in failed)
        raise SomeInputsFailed(f"{len(failed)} of {len(failed) + len(suite.report.sets)} sets have no scores:\n{told}")


def show(report: EvaluationReport) -> None:
    """Print the table of one data set, the gains in words, and what was left out."""
    from audiossl.evaluation.report.table import columns, extent, footnotes, gain_sentence, lines

    heads, found, data = columns(report), lines(report), report.data
    title = f"{data.source}: {extent(data)}"
    if len(heads) <= WIDE:
        names = [part for head in heads for part in (f"{head.name}\n{head.measure}", "95 %", "per fold or seed")]
        rows = [[line.label, *(p for head in heads for p in cells(line.cells.get(head.protocol)))] for line in found]
    else:
        names = [f"{head.name}\n{head.measure}" for head in heads]
        rows = [[line.label, *(compact(line.cells.get(head.protocol)) for head in heads)] for line in found]
    emit_table(["embedding", *names], rows, title=title)
    for note in footnotes([report]):
        emit(f"{note}.")
    for gain in report.gains:
        emit(gain_sentence(gain, report))
    if data.failed:
        say(f"left out, because they cannot be decoded ({len(data.failed)}):")
        for one in data.failed:
            say(f"  {one}")


def show_sets(suite: Suite, *, per_class: bool) -> None:
    """Print the one table of several data sets, and the gains in words."""
    from audiossl.evaluation.report.table import footnotes, gain_sentence, grid

    heads, found = grid(suite.report.named)
    names = [f"{head.data}\n{head.name}\n{head.measure}" for head in heads]
    rows = [[line.label, *map(compact, line.cells)] for line in found]
    emit_table(["embedding", *names], rows, title=f"{len(suite.report.sets)} data sets")
    for note in footnotes([report for _, report in suite.report.named]):
        emit(f"{note}.")
    for name, report in suite.report.named:
        for gain in report.gains:
            emit(f"{name}: {gain_sentence(gain, report)}")
        if per_class:
            show_classes(report)
        for one in report.data.failed:
            say(f"{name}: left out, because it cannot be decoded: {one}")


def show_classes(report: EvaluationReport) -> None:
    """Print every class under the first protocol that judges items, and what the models confuse most often."""
    from audiossl.evaluation.report.classes import class_lines, confusions, judged, reading

    if not (protocols := judged(report)):
        raise UsageError(f"{report.data.source}: no protocol judged items by class; leave --per-class out")
    name = protocols[0]
    rows = [row for row in report.rows if row.kind == "pretrained" and name in row.scores]
    heads = ["class", report.data.nouns, *(row.name for row in rows), "untrained"]
    told = [
        [line.name, line.n, *map(percent, line.models), percent(line.untrained)] for line in class_lines(report, name)
    ]
    emit(f"{report.data.source}: {reading(report)}, %, {name}")
    emit_table(heads, told)
    if report.data.target != "single":
        return
    for row in rows:
        found = confusions(report, row, name)[:CONFUSIONS]
        pairs = [[one.name, one.taken_for, one.n, percent(one.share)] for one in found]
        emit(f"{row.name}, {name}: most frequent confusions")
        emit_table(["class", "taken for", report.data.nouns, "%"], pairs)


def cells(cell: Cell | None) -> Sequence[str]:
    """Value (± deviation over seeds), interval, the values of seeds or folds; empty where nothing was scored."""
    return ("", "", "") if cell is None else (cell.shown, cell.range, cell.parts)


def compact(cell: Cell | None) -> str:
    """Value and interval in few letters; empty where nothing was scored."""
    return "" if cell is None else cell.compact


def percent(value: float | None) -> str:
    """A share as the table has it; empty where there is none."""
    return "" if value is None else f"{100 * value:.1f}"

"""`audiossl demo`: the whole way on made-up sounds, and a verdict on whether anything was learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import duration, emit, emit_json, emit_table, hush, progress, say

if TYPE_CHECKING:
    from audiossl.evaluation.report.table import Line
    from audiossl.evaluation.scores import EvaluationReport

RECIPE = "audio/demo"
JUDGE = "knn@1"
MARGIN = 0.05
"""The encoder passes when its accuracy under `JUDGE` is this much above the mean of three untrained ones."""


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is written.")] = Path("runs/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Pretrain on made-up sounds, embed, evaluate, write a report: about two minutes on two cores.

    Starts over each time. Prints PASS when the pretrained encoder's kNN accuracy is at least 5 points above the mean of
    three untrained ones, otherwise FAIL with exit code 1.

    Example: audiossl demo --out runs/demo
    """
    from time import monotonic

    from audiossl.bundle.load import load_bundle
    from audiossl.embedding.extract import embed_items
    from audiossl.evaluation.evaluate import evaluate
    from audiossl.recipe.load import load_recipe
    from audiossl.training.prepare import find_items
    from audiossl.training.pretrain import pretrain

    hush()
    began = monotonic()
    recipe = load_recipe(RECIPE)
    result = pretrain(recipe, out, fresh=True, progress=progress(), say=say)
    if result.bundle is None:
        say("the demo was interrupted; the same command starts it again")
        raise typer.Exit(128 + (result.stopped_by or 0))
    items = find_items(recipe)
    embed_items(load_bundle(result.bundle), items, out / "embeddings", progress=progress())
    report = evaluate([result.bundle], items, out=out, run_folder=out, progress=progress())
    gain = next(gain for gain in report.gains if gain.protocol == JUDGE)
    passed = gain.gain >= MARGIN
    if as_json:
        emit_json(
            {
                "passed": passed,
                "gain": gain.gain,
                "margin": MARGIN,
                "protocol": JUDGE,
                "pretrain_s": round(result.wall_s, 1),
                "wall_s": round(monotonic() - began, 1),
                "report": str(out / "report.html"),
            }
        )
    else:
        show(report)
        say(f"pretraining took {duration(result.wall_s)}, everything {duration(monotonic() - began)}")
        emit(f"The report is {out / 'report.html'}")
        emit(
            f"{'PASS' if passed else 'FAIL'}: {100 * gain.gain:+.1f} points of kNN accuracy over untrained encoders; "
            f"at least {100 * MARGIN:+.1f} are asked for"
        )
    if not passed:
        raise typer.Exit(1)


def show(report: EvaluationReport) -> None:
    """Print the table of accuracies: the pretrained encoder, the untrained ones, the log-mel statistics."""
    from audiossl.evaluation.report.table import lines

    data, protocols = report.data, list(report.protocols)
    title = f"Accuracy in %: {data.n} made-up sounds, {len(data.classes)} classes, {len(data.folds)} folds"
    rows = [[name(line), *(cell(line, protocol) for protocol in protocols)] for line in lines(report)]
    emit_table(["", *protocols], rows, title=title)


def name(line: Line) -> str:
    """What the line's row is called: the only model of the demo needs no path."""
    return "pretrained" if line.kind == "pretrained" else line.label


def cell(line: Line, protocol: str) -> str:
    """Accuracy in per cent, with the deviation over seeds where there are several."""
    return line.cells[protocol].shown

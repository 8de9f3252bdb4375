"""`audiossl compare`: two evaluations, or two encoders, and whether their difference may be chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit, emit_json, emit_table, progress, say
from audiossl_cli.evaluate import spoken

if TYPE_CHECKING:
    from audiossl.evaluation.comparison import ComparisonReport

CLASSES = 5
"""Classes that changed most, of each comparison."""


def compare(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="An evaluation's folder or report.json, or PATH:ROW; with --on an encoder."),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="Evaluate both encoders on this labelled data first; may be repeated."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[SET=]PATH", help="The folder that holds a set's files; with --on."),
    ] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="How to score, with --on; may be repeated [quick].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the evaluations into this folder; with --on.")
    ] = None,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Show neither untrained encoders nor plain statistics; with --on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole comparison as JSON.")] = False,
) -> None:
    """Say how much better one embedding is than another on the same test items, and whether that may be chance.

    The interval is a paired bootstrap over the groups of test items (recordings, speakers). McNemar's exact test
    counts what one of them alone got right. Of several comparisons the p are corrected after Holm.

    A row is named by any part of its name that no other row has: runs/a/evaluation:log-mel

    Example: audiossl compare runs/a/evaluation runs/b/evaluation
    """
    from audiossl.api import compare as run
    from audiossl.evaluation.sets import told_places

    options = spoken(protocols=protocol, baselines=False if no_baselines else None)
    places = told_places(on, data or []) if on else (Path(data[0]) if data else None)
    report = run(a, b, on=on or (), data=places, out=out, progress=progress() if on else None, **options)
    if as_json:
        emit_json(report.model_dump(mode="json"))
        return
    show(report)
    if out is not None:
        say(f"the evaluations are in {out}")


def show(report: ComparisonReport) -> None:
    """Print the sentences, the scores beside the baselines, and the classes that changed most."""
    from audiossl.evaluation.comparison import sentence
    from audiossl.evaluation.metric_names import READINGS

    for one in report.comparisons:
        emit(sentence(one, report))
    emit("")
    heads = [f"{one.data}\n{one.protocol}{' †' if one.test_selected else ''}" for one in report.comparisons]
    shown = [READINGS[one.metric].show for one in report.comparisons]
    rows = [
        [report.a, *(show(one.a) for show, one in zip(shown, report.comparisons, strict=True))],
        [report.b, *(show(one.b) for show, one in zip(shown, report.comparisons, strict=True))],
    ]
    for line in report.baselines:
        values = [line.values.get(one.data, {}).get(one.protocol) for one in report.comparisons]
        rows.append([line.label, *("" if v is None else show(v) for v, show in zip(values, shown, strict=True))])
    emit_table(["embedding", *heads], rows)
    for one in report.comparisons:
        if changed := one.classes[:CLASSES]:
            told = ", ".join(f"{c.name} {100 * c.a:.0f} against {100 * c.b:.0f} (of {c.n})" for c in changed)
            emit(f"{one.data}, {one.protocol}: classes that differ most, %, A against B: {told}")
    if any(one.test_selected for one in report.comparisons):
        emit("† something is chosen on the test items; such scores are too high.")
    for left in report.left_out:
        say(f"left out: {left}")

"""The report of an evaluation: `report.json` for machines, `report.html` for people.

The page is one file that needs no network. Whatever comes from file names, labels or recipes is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from audiossl import files
from audiossl.evaluation.report import figures, sections
from audiossl.evaluation.report.classes import judged
from audiossl.evaluation.report.page import PAGE
from audiossl.evaluation.report.sections import section
from audiossl.evaluation.report.table import extent, footnotes, gain_sentence, grid, lines
from audiossl.evaluation.scores import EvaluationReport


class Extras(NamedTuple):
    """What the page shows beside the report."""

    features: Sequence[figures.Floats] = ()
    """Each model's embeddings (N, D), in the order of the report's items."""
    run_folder: Path | None = None
    """Of the training, whose CSV logs become curves."""
    map: figures.MapKind = "pca"


def write_report(report: EvaluationReport, out: Path, extras: Extras | None = None) -> None:
    """Write `report.json` and `report.html` into `out` (raises `WriteError`)."""
    files.write_json(out / "report.json", report.model_dump(mode="json"))
    files.write_text(out / "report.html", render(report, extras or Extras()))


def render(report: EvaluationReport, extras: Extras) -> str:
    """The page, as text."""
    from plotly.offline import get_plotlyjs

    parts = [_head(report), _scores(report), *_figures(report, extras), *_classes(report)]
    parts += [section("Health of the embeddings", sections.health_table(report), HEALTH)]
    parts += [section("How the model was made", sections.model_card(model)) for model in report.models]
    parts += [_provenance(report), _failed(report), *_curves(extras.run_folder)]
    title = escape(f"audiossl: {report.data.source}")
    return PAGE.substitute(title=title, body="\n".join(parts), plotly=get_plotlyjs())


HEALTH = (
    "Effective rank (RankMe) against the dimensions there are; deviation of the normalised embedding, 1 when it fills "
    "the sphere; uniformity, 0 when collapsed and the more negative the better; alignment, the mean squared distance "
    "of two items of one class and different groups, 0 when they are one point. A collapsed encoder has rank 1, "
    "and all others near 0."
)
BUDGETS = (
    "The score when learnt from so many labelled items of each class, or such a share of the training items. Bars: the "
    "deviation over draws of these items, and over the seeds of untrained encoders."
)


def _head(report: EvaluationReport) -> str:
    data = report.data
    gains = "".join(f"<li>{escape(gain_sentence(gain, report))}</li>" for gain in report.gains)
    task = f" · {data.task}" if data.task and data.task != data.source else ""
    return (
        f"<header><h1>{escape(data.source)}{escape(task)}</h1><p>{extent(data)} · {escape(report.made)} · audiossl "
        f"{escape(report.audiossl)}</p></header>" + (f"<ul class='gains'>{gains}</ul>" if gains else "")
    )


def _scores(report: EvaluationReport) -> str:
    heads, found = grid([("", report)])
    dims = {line.label: line.dim for line in lines(report) if line.dim is not None}
    notes = "".join(f"<p class='note'>{escape(note)}.</p>" for note in footnotes([report]))
    more = sections.metrics_table(report)
    return section(
        "Scores",
        sections.grid_table(heads, found, dims)
        + f"<p class='note'>{sections.READING}</p>{notes}{sections.folds_table(report)}",
    ) + (section("All metrics", more, "Micro: every item counts the same. Macro: every class does.") if more else "")


def _figures(report: EvaluationReport, extras: Extras) -> Iterator[str]:
    found = lines(report)
    dots = "".join(
        f"<div><h3>{escape(str(said['title']))}</h3>{_plot(figures.fold_figure(found, protocol))}</div>"
        for protocol, said in report.protocols.items()
    )
    yield section(
        "Folds",
        f"<div class='grid'>{dots}</div>",
        "Dots: test folds, of several seeds their mean. Diamonds: the mean with its 95 % interval.",
    )
    budgets = "".join(
        f"<div><h3>{escape(name)}</h3>{_plot(figures.budget_figure(report, name))}</div>"
        for name, said in report.protocols.items()
        if said.get("labels")
    )
    if budgets:
        yield section("Few labels", f"<div class='grid'>{budgets}</div>", BUDGETS)
    if len(extras.features):
        how = {"pca": "the first two principal components", "tsne": "t-SNE"}[extras.map]
        maps = [
            f"<div><h3>{escape(model.path)}</h3>{_plot(figures.map_figure(report, values, extras.map))}</div>"
            for model, values in zip(report.models, extras.features, strict=True)
        ]
        yield section("Embedding map", "".join(maps), f"The embeddings, standardised, by {how}.")


def _classes(report: EvaluationReport) -> Iterator[str]:
    for first in judged(report)[:1]:
        model = f"{escape(report.models[0].path)}, {escape(first)}"
        yield section(
            "Classes",
            _plot(figures.class_figure(report, first))
            + f"<details><summary>as a table</summary>{sections.class_table(report, first)}</details>",
            f"{model}.",
        )
        if report.data.target != "single":
            return
        yield section(
            "Confusion",
            _plot(figures.confusion_figure(report, first))
            + f"<details open><summary>most frequent</summary>{sections.confusion_table(report, first)}</details>",
            f"{model}; each row of the figure sums to 100 %.",
        )


def _provenance(report: EvaluationReport) -> str:
    told = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(protocol['description']))}</dd>"
        for name, protocol in report.protocols.items()
    )
    data = report.data
    told += (
        f"<dt>split</dt><dd><code>{data.split_hash}</code></dd><dt>data</dt><dd><code>{data.fingerprint}</code></dd>"
    )
    more = f"<details><summary>of every score</summary>{sections.provenance_table(report)}</details>"
    return section("Protocols and data", f"<dl>{told}</dl>{more}")


def _failed(report: EvaluationReport) -> str:
    if not report.data.failed:
        return ""
    listed = "".join(f"<li>{escape(one)}</li>" for one in report.data.failed)
    return section(f"Left out: {len(report.data.failed)} files that could not be decoded", f"<ul>{listed}</ul>")


def _curves(run_folder: Path | None) -> list[str]:
    if run_folder is None:
        return []
    plots = [_plot(figures.curve_figure(name, *points)) for name, points in figures.curves(run_folder).items()]
    return [section("Training", f"<div class='grid'>{''.join(plots)}</div>")] if plots else []


def _plot(figure: figures.Figure) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return html

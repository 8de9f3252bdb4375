"""The report of an evaluation: `report.json` for machines, `report.html` for people.

The page is one file that needs no network. Whatever comes from file names, labels or recipes is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from audiossl import files
from audiossl.evaluation import figures
from audiossl.evaluation.page import PAGE
from audiossl.evaluation.scores import EvaluationReport, ModelFacts
from audiossl.evaluation.table import Cell, Line, gain_sentence, lines, test_folds
from audiossl.recipe.yaml import dump_yaml


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

    parts = [_head(report), _scores(report), *_figures(report, extras), *map(_model, report.models)]
    parts += [_health(report), _protocols(report), _failed(report), *_curves(extras.run_folder)]
    title = escape(f"audiossl: {report.data.source}")
    return PAGE.substitute(title=title, body="\n".join(parts), plotly=get_plotlyjs())


def _head(report: EvaluationReport) -> str:
    data = report.data
    facts = f"{data.n:,} sounds, {len(data.classes)} classes, {test_folds(data)}"
    gains = "".join(f"<li>{escape(gain_sentence(gain, report))}</li>" for gain in report.gains)
    return (
        f"<header><h1>{escape(data.source)}</h1><p>{facts} · {escape(report.made)} · audiossl "
        f"{escape(report.audiossl)}</p></header>" + (f"<ul class='gains'>{gains}</ul>" if gains else "")
    )


def _scores(report: EvaluationReport) -> str:
    heads = "".join(
        f"<th class='n'>{escape(str(protocol['title']))}<small>{escape(name)}</small></th><th class='n'>95 %</th>"
        f"<th>per fold</th>"
        for name, protocol in report.protocols.items()
    )
    body = "".join(_table_row(line, report) for line in lines(report))
    return _section(
        "Scores",
        f"<div class='wide'><table><thead><tr><th>embedding</th><th class='n'>dim</th>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        "<p class='note'>Accuracy in percent: the mean over test folds, its 95 % bootstrap interval over whole groups "
        "of test items, and each fold. Untrained: the same encoder with random weights, mean ± deviation over seeds. "
        "The C of the linear probe is chosen within the training folds.</p>",
    )


def _table_row(line: Line, report: EvaluationReport) -> str:
    cells = "".join(_table_cells(line.cells.get(protocol)) for protocol in report.protocols)
    dim = "" if line.dim is None else str(line.dim)
    return f"<tr class='{line.kind}'><td>{escape(line.label)}</td><td class='n'>{dim}</td>{cells}</tr>"


def _table_cells(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>" * 3
    told = ("seeds " if cell.seeds else "") + cell.parts
    chosen = "; ".join(" ".join(f"{name} {value:g}" for name, value in fold.items()) for fold in cell.chosen)
    hint = f" title='{escape(chosen)}'" if chosen else ""
    return f"<td class='n'><b>{cell.shown}</b></td><td class='n'>{cell.range}</td><td class='n small'{hint}>{told}</td>"


def _figures(report: EvaluationReport, extras: Extras) -> Iterator[str]:
    table = lines(report)
    judged = [name for name, score in report.rows[0].scores.items() if score.predictions]
    model = escape(report.models[0].path)
    dots = "".join(
        f"<div><h3>{escape(str(said['title']))}</h3>{_plot(figures.fold_figure(table, protocol))}</div>"
        for protocol, said in report.protocols.items()
    )
    yield _section(
        "Folds",
        f"<div class='grid'>{dots}</div><p class='note'>Dots: test folds, of several seeds their mean. Diamonds: the "
        "mean with its 95 % interval.</p>",
    )
    if len(extras.features):
        how = {"pca": "the first two principal components", "tsne": "t-SNE"}[extras.map]
        yield _section(
            "Embedding map",
            _plot(figures.map_figure(report, extras.features[0], extras.map))
            + f"<p class='note'>{model}, standardised, by {how}.</p>",
        )
    for first in judged[:1]:
        yield _section(
            "Classes", _plot(figures.class_figure(report, first)) + f"<p class='note'>{model}, {escape(first)}.</p>"
        )
        yield _section(
            "Confusion",
            _plot(figures.confusion_figure(report, first))
            + f"<p class='note'>{model}, {escape(first)}; each row sums to 100 %.</p>",
        )


def _model(model: ModelFacts) -> str:
    training = {name: value for name, value in model.about.items() if value}
    facts = {"sha256": model.sha256, "embedding": model.dim, "statistics": model.statistics, **training}
    return _section(
        "How the model was made",
        f"<p><code>{escape(model.path)}</code></p><dl>{_facts(facts)}</dl>"
        f"<details><summary>recipe</summary><pre>{escape(dump_yaml(model.recipe))}</pre></details>",
    )


def _facts(facts: Mapping[str, Any], prefix: str = "") -> str:
    """Nested plain data as a definition list, `training.steps`."""
    told = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            told.append(_facts(value, f"{prefix}{name}."))
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            told.append(f"<dt>{escape(prefix + str(name))}</dt><dd>{escape(shown)}</dd>")
    return "".join(told)


def _health(report: EvaluationReport) -> str:
    rows = "".join(
        f"<tr class='{row.kind}'><td>{escape(row.name)}{'' if row.seed is None else f', seed {row.seed}'}</td>"
        f"<td class='n'>{row.dim}</td><td>{_gauge(row.health.rankme / row.dim, f'{row.health.rankme:.1f}')}</td>"
        f"<td>{_gauge(row.health.deviation, f'{row.health.deviation:.2f}')}</td>"
        f"<td class='n'>{row.health.uniformity:.2f}</td></tr>"
        for row in report.rows
    )
    return _section(
        "Health of the embeddings",
        f"<table><thead><tr><th>embedding</th><th class='n'>dim</th><th>effective rank</th>"
        f"<th>deviation</th><th class='n'>uniformity</th></tr></thead><tbody>{rows}</tbody></table>"
        "<p class='note'>Effective rank (RankMe) against the dimensions there are; deviation of the normalised "
        "embedding, 1 when it fills the sphere; uniformity, 0 when collapsed. A collapsed encoder has rank and "
        "deviation near 0.</p>",
    )


def _gauge(share: float, label: str) -> str:
    return f"<span class='gauge'><i style='width:{100 * min(1.0, max(0.0, share)):.0f}%'></i></span>{label}"


def _protocols(report: EvaluationReport) -> str:
    told = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(protocol['description']))}</dd>"
        for name, protocol in report.protocols.items()
    )
    data = report.data
    told += (
        f"<dt>split</dt><dd><code>{data.split_hash}</code></dd><dt>data</dt><dd><code>{data.fingerprint}</code></dd>"
    )
    return _section("Protocols and data", f"<dl>{told}</dl>")


def _failed(report: EvaluationReport) -> str:
    if not report.data.failed:
        return ""
    listed = "".join(f"<li>{escape(one)}</li>" for one in report.data.failed)
    return _section(f"Left out: {len(report.data.failed)} files that could not be decoded", f"<ul>{listed}</ul>")


def _curves(run_folder: Path | None) -> list[str]:
    if run_folder is None:
        return []
    plots = [_plot(figures.curve_figure(name, *points)) for name, points in figures.curves(run_folder).items()]
    return [_section("Training", f"<div class='grid'>{''.join(plots)}</div>")] if plots else []


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _plot(figure: figures.Figure) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return html

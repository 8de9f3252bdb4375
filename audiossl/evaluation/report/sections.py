"""The tables of the report page, as HTML. Whatever comes from file names, labels or recipes is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.report.classes import class_lines, confusions
from audiossl.evaluation.report.table import Cell, Column, GridLine, Line, columns, lines
from audiossl.evaluation.scores import EvaluationReport, ModelFacts
from audiossl.recipe.yaml import dump_yaml

CONFUSIONS = 12
"""Most frequent confusions that are listed."""
READING = (
    "The mean over test folds, and below it its 95 % bootstrap interval over whole groups of test items. Untrained: "
    "the same encoder with random weights, mean ± deviation over seeds. Bold: the best of a column."
)
"""How the table of scores is read."""
SHORT = 12
"""Letters of a hash that are shown; the whole one is in the tooltip."""


def section(title: str, content: str, note: str = "") -> str:
    """A card of the page."""
    told = f"<p class='note'>{note}</p>" if note else ""
    return f"<section><h2>{title}</h2>{content}{told}</section>"


def table(head: str, body: str) -> str:
    """A table that scrolls sideways where the window is narrow."""
    return f"<div class='wide'><table><thead>{head}</thead><tbody>{body}</tbody></table></div>"


def grid_table(heads: Sequence[Column], found: Sequence[GridLine], dims: Mapping[str, int] | None = None) -> str:
    """Embeddings by protocols, and by data sets where the columns name any."""
    named = [column.data for column in heads]
    over = ""
    if any(named):
        spans = [(name, named.count(name)) for name in dict.fromkeys(named)]
        over = "".join(f"<th class='n over' colspan='{span}'>{escape(name)}</th>" for name, span in spans)
        over = f"<tr><th></th>{over}</tr>"
    dim_head = "" if dims is None else "<th class='n'>dim</th>"
    head = "".join(
        f"<th class='n'>{escape(column.title)}<small>{escape(column.name)}</small><small>{column.measure}</small></th>"
        for column in heads
    )
    best = [_best(column, [line.cells[place] for line in found]) for place, column in enumerate(heads)]
    body = "".join(
        f"<tr class='{line.kind}'><td>{escape(line.label)}</td>"
        + ("" if dims is None else f"<td class='n'>{dims.get(line.label, '')}</td>")
        + "".join(
            _grid_cell(cell, cell is not None and cell is top) for cell, top in zip(line.cells, best, strict=True)
        )
        + "</tr>"
        for line in found
    )
    return table(f"{over}<tr><th>embedding</th>{dim_head}{head}</tr>", body)


def _best(column: Column, cells: Sequence[Cell | None]) -> Cell | None:
    known = [cell for cell in cells if cell is not None]
    better = max if READINGS[column.metric].higher else min
    return better(known, key=lambda cell: cell.value) if known else None


def _grid_cell(cell: Cell | None, best: bool) -> str:
    if cell is None:
        return "<td class='n none'>–</td>"
    value = f"<b>{cell.shown}</b>" if best else cell.shown
    return f"<td class='n' title='{escape(hint(cell))}'>{value}<small>{cell.range}</small></td>"


def hint(cell: Cell) -> str:
    """What a cell's tooltip says: folds or seeds, and what was chosen for each."""
    kind = "budgets of labels" if cell.curve else "seeds" if cell.seeds else "folds"
    chosen = "; ".join(" ".join(f"{name} {value:g}" for name, value in fold.items()) for fold in cell.chosen)
    told = f"{kind}: {cell.parts}" if cell.parts else ""
    return f"{told}; chosen: {chosen}" if chosen else told


def folds_table(report: EvaluationReport) -> str:
    """Each fold, seed or budget of labels, and what was chosen for it, one table per protocol."""
    parts = []
    for column in columns(report):
        rows = [(line, line.cells[column.protocol]) for line in lines(report) if column.protocol in line.cells]
        body = "".join(_fold_row(line, cell) for line, cell in rows if cell.parts)
        parts.append(
            f"<h3>{escape(column.title)} <code>{escape(column.name)}</code></h3>"
            + table("<tr><th>embedding</th><th>folds, seeds or budgets</th><th>chosen without the test</th></tr>", body)
        )
    return f"<details><summary>every fold, seed and choice</summary>{''.join(parts)}</details>"


def _fold_row(line: Line, cell: Cell) -> str:
    chosen = "; ".join(" ".join(f"{name} {value:g}" for name, value in fold.items()) for fold in cell.chosen)
    kind = "seeds " if cell.seeds and not cell.curve else ""
    return (
        f"<tr class='{line.kind}'><td>{escape(line.label)}</td><td class='num'>{kind}{escape(cell.parts)}</td>"
        f"<td class='small'>{escape(chosen)}</td></tr>"
    )


def metrics_table(report: EvaluationReport) -> str:
    """All that was measured, micro and macro; empty where a protocol measures one thing only."""
    names = {
        protocol: list(next(row.scores[protocol] for row in report.rows if protocol in row.scores).metrics)
        for protocol in report.protocols
        if any(protocol in row.scores for row in report.rows)
    }
    if all(len(of_protocol) < 2 for of_protocol in names.values()):
        return ""
    over = "".join(f"<th class='n over' colspan='{len(some)}'>{escape(name)}</th>" for name, some in names.items())
    heads = "".join(f"<th class='n'>{READINGS[metric].title}</th>" for some in names.values() for metric in some)
    body = ""
    for line in (line for line in lines(report) if line.rows):
        body += f"<tr class='{line.kind}'><td>{escape(line.label)}</td>"
        for name, some in names.items():
            scores = [row.scores[name] for row in line.rows if name in row.scores]
            for metric in some:
                mean = sum(score.metrics[metric] for score in scores) / len(scores) if scores else None
                body += f"<td class='n'>{'–' if mean is None else READINGS[metric].show(mean)}</td>"
        body += "</tr>"
    return table(f"<tr><th></th>{over}</tr><tr><th>embedding</th>{heads}</tr>", body)


def class_table(report: EvaluationReport, protocol: str) -> str:
    """Every class with its count and what `reading` names, of each model and of the untrained twins."""
    models = [row.name for row in report.rows if row.kind == "pretrained" and protocol in row.scores]
    found = class_lines(report, protocol)
    twins = any(line.untrained is not None for line in found)
    names = [*(models if len(models) > 1 else ["pretrained"]), *(["untrained"] if twins else [])]
    heads = "".join(f"<th class='n'>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><td class='plain'>{escape(line.name)}</td><td class='n'>{line.n}</td>"
        + "".join(f"<td class='n'>{_percent(value)}</td>" for value in line.models)
        + (f"<td class='n'>{_percent(line.untrained)}</td>" if twins else "")
        + "</tr>"
        for line in found
    )
    return table(f"<tr><th>class</th><th class='n'>items</th>{heads}</tr>", body)


def confusion_table(report: EvaluationReport, protocol: str) -> str:
    """What the first model confuses most often."""
    found = confusions(report, report.rows[0], protocol)[:CONFUSIONS]
    body = "".join(
        f"<tr><td class='plain'>{escape(one.name)}</td><td>{escape(one.taken_for)}</td><td class='n'>{one.n}</td>"
        f"<td class='n'>{_percent(one.share)}</td></tr>"
        for one in found
    )
    return table("<tr><th>class</th><th>taken for</th><th class='n'>items</th><th class='n'>%</th></tr>", body)


def health_table(report: EvaluationReport) -> str:
    """Effective rank, deviation, uniformity and alignment of every row."""
    body = "".join(
        f"<tr class='{row.kind}'><td>{escape(row.name)}{'' if row.seed is None else f', seed {row.seed}'}</td>"
        f"<td class='n'>{row.dim}</td><td>{_gauge(row.health.rankme / row.dim, f'{row.health.rankme:.1f}')}</td>"
        f"<td>{_gauge(row.health.deviation, f'{row.health.deviation:.2f}')}</td>"
        f"<td class='n'>{row.health.uniformity:.2f}</td>"
        f"<td class='n'>{'–' if row.health.alignment is None else f'{row.health.alignment:.2f}'}</td></tr>"
        for row in report.rows
    )
    return table(
        "<tr><th>embedding</th><th class='n'>dim</th><th>effective rank</th><th>deviation</th>"
        "<th class='n'>uniformity</th><th class='n'>alignment</th></tr>",
        body,
    )


def provenance_table(report: EvaluationReport) -> str:
    """What every score was made of: hashes of protocol, split and embedding, and the seed."""
    body = "".join(
        f"<tr class='{row.kind}'><td>{escape(row.name)}{'' if row.seed is None else f', seed {row.seed}'}</td>"
        f"<td>{escape(name)}</td><td>{_hash(score.protocol_hash)}</td><td>{_hash(score.split_hash)}</td>"
        f"<td>{_hash(score.embedding_hash)}</td><td class='n'>{score.seed}</td></tr>"
        for row in report.rows
        for name, score in row.scores.items()
    )
    return table(
        "<tr><th>embedding</th><th>protocol</th><th>protocol's hash</th><th>split's</th><th>embedding's</th>"
        "<th class='n'>seed</th></tr>",
        body,
    )


def model_card(model: ModelFacts) -> str:
    """Where a model comes from, and its recipe."""
    training = {name: value for name, value in model.about.items() if value}
    facts = {"sha256": model.sha256, "embedding": model.dim, "statistics": model.statistics, **training}
    return (
        f"<p><code>{escape(model.path)}</code></p><dl>{_facts(facts)}</dl>"
        f"<details><summary>recipe</summary><pre>{escape(dump_yaml(model.recipe))}</pre></details>"
    )


def _facts(facts: Mapping[str, Any], prefix: str = "") -> str:
    """Nested plain data as a definition list, `training.steps`."""
    told = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            told.append(_facts(value, f"{prefix}{name}."))
        else:
            told.append(f"<dt>{escape(prefix + str(name))}</dt><dd>{escape(_shown(value))}</dd>")
    return "".join(told)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _gauge(share: float, label: str) -> str:
    return f"<span class='gauge'><i style='width:{100 * min(1.0, max(0.0, share)):.0f}%'></i></span>{label}"


def _hash(value: str) -> str:
    return f"<code title='{escape(value)}'>{escape(value[:SHORT])}</code>"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"

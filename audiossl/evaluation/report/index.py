"""The front page of an evaluation on several data sets, and the same as one long table for machines."""

from __future__ import annotations

from html import escape
from typing import Any

from audiossl.evaluation.report.page import PAGE
from audiossl.evaluation.report.sections import READING, grid_table, section
from audiossl.evaluation.report.table import extent, footnotes, gain_sentence, grid
from audiossl.evaluation.sets import SetReport, SuiteReport


def index_json(suite: SuiteReport) -> dict[str, Any]:
    """Which report is where, what failed, and every cell of the table as a record of its own."""
    heads, found = grid(suite.named)
    return {
        "audiossl": suite.audiossl,
        "made": suite.made,
        "sets": [
            {"name": one.name, "source": one.source, "report": f"{one.name}/report.json", "n": one.report.data.n}
            for one in suite.sets
        ],
        "failed": [one.model_dump() for one in suite.failed],
        "scores": [
            {
                "embedding": line.label,
                "kind": line.kind,
                "data": column.data,
                "protocol": column.protocol,
                "metric": cell.metric,
                "value": cell.value,
                "interval": cell.interval,
                "deviation": cell.deviation,
                "test_selected": cell.test_selected,
            }
            for line in found
            for column, cell in zip(heads, line.cells, strict=True)
            if cell is not None
        ],
    }


def index_page(suite: SuiteReport) -> str:
    """The page, as text: one table of all sets, and what to read of each."""
    heads, found = grid(suite.named)
    models = [model.path for model in suite.sets[0].report.models]
    notes = "".join(f"<p class='note'>{escape(note)}.</p>" for note in footnotes([one.report for one in suite.sets]))
    head = (
        f"<header><h1>{len(suite.sets)} data sets</h1><p>{escape(', '.join(models))} · {escape(suite.made)} · audiossl "
        f"{escape(suite.audiossl)}</p></header>"
    )
    table = section(
        "Scores",
        grid_table(heads, found) + f"<p class='note'>{READING}</p>{notes}",
    )
    failed = "".join(section(f"{escape(one.name)}: no scores", f"<p>{escape(one.reason)}</p>") for one in suite.failed)
    body = "\n".join([head, table, *map(_set, suite.sets), failed])
    return PAGE.substitute(title=escape(f"audiossl: {len(suite.sets)} data sets"), body=body, plotly="")


def _set(one: SetReport) -> str:
    data = one.report.data
    gains = "".join(f"<li>{escape(gain_sentence(gain, one.report))}</li>" for gain in one.report.gains)
    link = f"<a href='{escape(one.name)}/report.html'>the whole report</a>"
    return section(
        escape(one.name),
        f"<p>{extent(data)} · {link}</p>" + (f"<ul>{gains}</ul>" if gains else ""),
    )

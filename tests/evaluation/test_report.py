from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from pydantic import ValidationError

from audiossl.evaluation.gains import gains
from audiossl.evaluation.measures.floors import floors
from audiossl.evaluation.measures.geometry import health
from audiossl.evaluation.probes import run_task, task_of
from audiossl.evaluation.protocol import load_protocol
from audiossl.evaluation.report import figures
from audiossl.evaluation.report.table import gain_sentence, lines
from audiossl.evaluation.report.write import Extras, write_report
from audiossl.evaluation.scores import DataFacts, EvaluationReport, ModelFacts, Row
from tests.evaluation.made import blobs, items_of

EVIL = '<script>alert("x")</script>$body{{plotly}}&amp;'
PROTOCOL = load_protocol("knn@1")


@pytest.fixture(scope="module")
def report():
    x, labels, folds = blobs(n=80)
    items = items_of([f"{EVIL}{label}" for label in labels], folds)
    task = task_of(PROTOCOL, items)
    noise = np.random.default_rng(0).normal(size=(3, *x.shape))

    def row(kind, name, models, seed, values):
        scores = {PROTOCOL.id: run_task(PROTOCOL, values, task)}
        return Row(
            kind=kind,
            name=name,
            models=models,
            seed=seed,
            sha256=None,
            dim=12,
            scores=scores,
            health=health(values, task),
        )

    rows = [row("pretrained", EVIL, [0], None, x), *(row("untrained", "u", [0], s, noise[s]) for s in range(3))]
    data = DataFacts(
        source=EVIL, n=80, classes=task.classes, ids=[EVIL + i for i in task.ids], labels=task.label_lists,
        target="single", groups=task.groups.tolist(), tested=[one.test.tolist() for one in task.rounds],
        folds=["1", "2"], split_hash="0", fingerprint="0", floors=floors(task), failed=[f"{EVIL}: cut"],
    )  # fmt: skip
    model = ModelFacts(path=EVIL, sha256="0", dim=12, recipe={"name": EVIL}, statistics={}, about={EVIL: {"a": EVIL}})
    return EvaluationReport(
        audiossl="0", made="now", data=data, models=[model], protocols={PROTOCOL.id: PROTOCOL.model_dump(mode="json")},
        metrics={PROTOCOL.id: "accuracy"}, rows=rows, gains=gains(rows, [PROTOCOL], [task]),
    )  # fmt: skip


class Page(HTMLParser):
    """Collects the text outside scripts, every start tag, and what is loaded."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.scripts, self.loaded, self._in = [], [], [], [], None

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._in = tag
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        (self.scripts if self._in == "script" else self.text).append(data)


def test_the_page_is_whole_escaped_and_needs_no_network(report, tmp_path):
    features = blobs(n=80)[0]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_text(f"step,{EVIL.replace(',', '')}\n1,2.5\n2,nan\n3,1.5\n")
    write_report(report, tmp_path / "out", Extras(features=[features], run_folder=tmp_path / "run"))
    html = (tmp_path / "out" / "report.html").read_text()
    page = Page()
    page.feed(html)
    assert page.text.count(EVIL) >= 4  # as words, not as tags
    assert '<script>alert("x")' not in html
    assert not any(re.match(r"\s*alert", script) for script in page.scripts)
    assert page.loaded == []
    assert max(map(len, page.scripts)) > 1_000_000  # the plotting library, once
    assert sum(len(script) > 1_000_000 for script in page.scripts) == 1
    assert html.count("Plotly.newPlot(") >= 5  # folds, map, classes, confusion, curve


def test_the_json_reads_back_and_holds_only_finite_numbers(report, tmp_path):
    write_report(report, tmp_path)
    assert EvaluationReport.model_validate_json((tmp_path / "report.json").read_bytes()) == report
    broken = json.loads((tmp_path / "report.json").read_text())
    broken["rows"][0]["scores"][PROTOCOL.id]["value"] = float("nan")
    with pytest.raises(ValidationError):
        EvaluationReport.model_validate(broken)


def test_the_table_takes_seeds_together_and_says_the_gain(report):
    table = lines(report)
    assert [line.kind for line in table] == ["pretrained", "untrained", "chance", "chance"]
    twins = [row.scores[PROTOCOL.id].value for row in report.rows[1:]]
    cell = table[1].cells[PROTOCOL.id]
    assert cell.value == pytest.approx(np.mean(twins))
    assert cell.deviation == pytest.approx(np.std(twins, ddof=1))
    assert cell.seeds == twins
    (gain,) = report.gains
    assert gain.gain == pytest.approx(report.rows[0].scores[PROTOCOL.id].value - np.mean(twins))
    assert gain.interval[0] < gain.gain < gain.interval[1]
    assert f"{100 * gain.gain:+.1f} points over the untrained encoder" in gain_sentence(gain, report)


@pytest.mark.parametrize("kind", ["pca", "tsne"])
def test_the_map_is_the_same_every_time(kind):
    x = blobs(n=30)[0]
    first = figures.plane(x, kind)
    assert first.shape == (30, 2)
    np.testing.assert_array_equal(first, figures.plane(x, kind))


def test_curves_of_a_resumed_run_are_put_together(tmp_path):
    for part, content in (("a", "step,loss\n1,3\n2,2\n"), ("b", "step,loss,acc\n2,2.5,\n3,1,0.5\n")):
        (tmp_path / part).mkdir()
        (tmp_path / part / "metrics.csv").write_text(content)
        import os

        os.utime(tmp_path / part / "metrics.csv", (ord(part), ord(part)))
    assert figures.curves(tmp_path) == {"loss": ([1.0, 2.0, 3.0], [3.0, 2.5, 1.0]), "acc": ([3.0], [0.5])}


def test_the_page_draws_the_curve_over_budgets_with_its_spread_over_draws_and_seeds(report, tmp_path):
    protocol = load_protocol("few_shot@1")
    x, labels, folds = blobs(n=80)
    task = task_of(protocol, items_of(labels, folds))
    rows = [
        row.model_copy(update={"scores": {protocol.id: run_task(protocol, x + shift, task)}})
        for row, shift in zip(report.rows, (0, *np.random.default_rng(1).normal(size=(3, *x.shape))), strict=True)
    ]
    few = report.model_copy(
        update={
            "rows": rows, "gains": [], "metrics": {protocol.id: "accuracy"},
            "protocols": {protocol.id: protocol.model_dump(mode="json")},
        }
    )  # fmt: skip
    model, twins = figures.budget_figure(few, protocol.id).data
    assert list(model.x) == list(twins.x) == protocol.labels.budgets
    assert list(model.y) == pytest.approx([100 * point.value for point in rows[0].scores[protocol.id].curve])
    draws = [draw for row in rows[1:] for draw in row.scores[protocol.id].curve[3].draws]
    assert twins.y[3] == pytest.approx(100 * np.mean(draws))
    assert twins.error_y.array[3] == pytest.approx(100 * np.std(draws))
    write_report(few, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert "Few labels" in html
    assert "labelled items of each class" in html
    assert "so all of them are taken" in html

"""The figures of the report page, as Plotly figures in colours that stand on light and dark.

Text from files and labels is escaped here, because Plotly reads a little HTML in its text.
"""

from __future__ import annotations

import csv
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.measures import metrics
from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.report.classes import class_values, reading
from audiossl.evaluation.report.table import Line
from audiossl.evaluation.report.table import lines as table_lines
from audiossl.evaluation.scores import EvaluationReport, Row

Floats = NDArray[np.floating]
MapKind = Literal["pca", "tsne"]
Figure = Any

INK, GRID = "#7d8590", "rgba(125,133,144,0.22)"
COLOURS = {"pretrained": "#3b82f6", "untrained": "#f59e0b", "statistics": "#10b981", "chance": "#7d8590"}
DASHES = ("solid", "dash", "dot", "dashdot")
"""Of the curves of one kind."""
MAP_POINTS = 2000
MAP_SEED = 0
LETTERS = 48
"""Longer names lose their beginning on a figure's axis."""


def text(words: str) -> str:
    """Escaped, and cut where it is too long for an axis."""
    short = words if len(words) <= LETTERS else "…" + words[1 - LETTERS :]
    return html.escape(short)


def fold_figure(lines: Sequence[Line], protocol: str) -> Figure:
    """A dot per fold, the mean as a bar across with its interval, one line per row."""
    import plotly.graph_objects as go

    figure = go.Figure()
    shown = [line for line in reversed(lines) if protocol in line.cells and line.cells[protocol].folds]
    for line in shown:
        cell, colour, label = line.cells[protocol], COLOURS[line.kind], text(line.label)
        scale = 100 if READINGS[cell.metric].percent else 1
        folds = [scale * value for value in cell.folds]
        figure.add_scatter(
            x=folds, y=[label] * len(folds), mode="markers", hovertemplate="%{x:.3g}<extra>one fold</extra>",
            marker={"color": colour, "opacity": 0.45, "size": 8},
        )  # fmt: skip
        bars = None
        if cell.interval:
            low, high = cell.interval
            bars = {
                "type": "data", "symmetric": False, "thickness": 1.5, "width": 6,
                "array": [scale * (high - cell.value)], "arrayminus": [scale * (cell.value - low)],
            }  # fmt: skip
        figure.add_scatter(
            x=[scale * cell.value], y=[label], mode="markers", error_x=bars,
            hovertemplate="mean %{x:.3g}<extra></extra>",
            marker={"color": colour, "size": 13, "symbol": "diamond", "line": {"width": 1, "color": "white"}},
        )  # fmt: skip
    readings = {READINGS[line.cells[protocol].metric] for line in shown}
    title = "".join(f"{reading.title}{', %' * reading.percent}" for reading in readings)
    return _styled(figure, height=110 + 52 * len(shown), x=title, legend=False)


def budget_figure(report: EvaluationReport, protocol: str) -> Figure:
    """The score at growing budgets of labels, a line per row of the table; bars are deviations over draws and seeds."""
    import plotly.graph_objects as go

    said = report.protocols[protocol]["labels"]
    shares, reading = said["by"] == "shares", READINGS[report.metrics[protocol]]
    scale = 100 if reading.percent else 1
    figure = go.Figure()
    kinds: list[str] = []
    for line in (line for line in table_lines(report) if line.rows and protocol in line.cells):
        dash = DASHES[kinds.count(line.kind) % len(DASHES)]
        kinds.append(line.kind)
        budgets = zip(*(row.scores[protocol].curve for row in line.rows), strict=True)
        draws = {points[0].at: scale * np.array([point.draws for point in points]) for points in budgets}
        figure.add_scatter(
            x=[100 * at if shares else at for at in draws], y=[values.mean() for values in draws.values()],
            error_y={"type": "data", "array": [values.std() for values in draws.values()], "thickness": 1, "width": 4},
            mode="lines+markers", name=text(line.label),
            line={"color": COLOURS[line.kind], "width": 2, "dash": dash},
            hovertemplate="%{y:.3g} at %{x:g}<extra>" + text(line.label) + "</extra>",
        )  # fmt: skip
    title = "share of the training items, %" if shares else "labelled items of each class"
    figure.update_xaxes(type="log", tickvals=[100 * at if shares else at for at in said["budgets"]])
    figure.update_yaxes(title=reading.title + ", %" * reading.percent)
    figure.update_layout(legend={"orientation": "h", "y": -0.25})
    return _styled(figure, height=380, x=title)


def class_figure(report: EvaluationReport, protocol: str) -> Figure:
    """What is measured of each class, of the first model and of its untrained twins where there are any."""
    import plotly.graph_objects as go

    first = _class_shares(report, _rows(report, "pretrained")[:1], protocol)
    order = np.argsort(first, kind="stable")
    names = [text(report.data.classes[k]) for k in order]
    figure = go.Figure()
    figure.add_bar(
        x=100 * first[order], y=names, orientation="h", name="pretrained", marker={"color": COLOURS["pretrained"]},
        hovertemplate="%{y}: %{x:.1f} %<extra>pretrained</extra>",
    )  # fmt: skip
    if twins := [row for row in _rows(report, "untrained") if 0 in row.models and protocol in row.scores]:
        figure.add_scatter(
            x=100 * _class_shares(report, twins, protocol)[order], y=names, mode="markers", name="untrained",
            marker={"color": COLOURS["untrained"], "size": 8, "symbol": "diamond"},
            hovertemplate="%{y}: %{x:.1f} %<extra>untrained</extra>",
        )  # fmt: skip
    return _styled(figure, height=120 + 20 * len(names), x=f"{reading(report)}, %")


def confusion_figure(report: EvaluationReport, protocol: str) -> Figure:
    """What the first model takes each class for, as shares of the class."""
    import plotly.graph_objects as go

    row = _rows(report, "pretrained")[0]
    counts_KK = _confusion(report, row, protocol)
    totals_K1 = np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    names = [text(name) for name in report.data.classes]
    figure = go.Figure(
        go.Heatmap(
            z=100 * counts_KK / totals_K1, x=names, y=names, customdata=counts_KK, xgap=1, ygap=1,
            colorscale=[[0, "rgba(59,130,246,0.04)"], [0.15, "rgba(59,130,246,0.35)"], [1, "rgba(37,99,235,1)"]],
            hovertemplate="%{y} taken for %{x}: %{customdata} (%{z:.0f} %)<extra></extra>", showscale=False,
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", title="class")
    figure.update_xaxes(tickangle=-60)
    size = 220 + 20 * len(names)
    return _styled(figure, height=size, x="taken for", legend=False, grid=False)


def map_figure(report: EvaluationReport, features_ND: Floats, kind: MapKind) -> Figure:
    """The first model's embeddings on a plane, coloured by class; at most 2,000 items, drawn with a fixed seed."""
    import plotly.graph_objects as go

    chosen = np.arange(len(features_ND))
    if len(chosen) > MAP_POINTS:
        chosen = np.sort(np.random.default_rng(MAP_SEED).choice(len(chosen), MAP_POINTS, replace=False))
    points = plane(features_ND[chosen], kind)
    labels = np.array([classes[0] if classes else -1 for classes in report.data.labels])[chosen]
    figure = go.Figure()
    for k, name in enumerate(report.data.classes):
        mine = np.flatnonzero(labels == k)
        # Golden-angle hues in three lightnesses keep 50 classes apart as well as can be.
        colour = f"hsl({(k * 137.508) % 360:.0f},70%,{(48, 62, 38)[k % 3]}%)"
        figure.add_scattergl(
            x=points[mine, 0], y=points[mine, 1], mode="markers", name=text(name),
            text=[text(report.data.ids[chosen[i]]) for i in mine],
            marker={"color": colour, "size": 7, "opacity": 0.85, "line": {"width": 0.5, "color": "white"}},
            hovertemplate="%{text}<extra>" + text(name) + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=False)
    return _styled(figure, height=600, grid=False)


def plane(features_ND: Floats, kind: MapKind) -> Floats:
    """Standardised embeddings (N, D) on a plane (N, 2), by principal components or t-SNE, always the same way."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    x_ND = StandardScaler().fit_transform(features_ND.astype(np.float64))
    parts = min(50 if kind == "tsne" else 2, *x_ND.shape)
    reduced = PCA(parts, svd_solver="full").fit_transform(x_ND)
    if kind == "tsne":
        perplexity = min(30.0, (len(x_ND) - 1) / 3)
        reduced = TSNE(2, perplexity=perplexity, init="pca", random_state=MAP_SEED).fit_transform(reduced)
    result: Floats = np.pad(reduced, ((0, 0), (0, 2 - reduced.shape[1])))
    return result


def curves(run_folder: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Every numeric column over steps of the CSV logs of a run, parts of a resumed run put together."""
    found: dict[str, dict[float, float]] = {}
    for path in sorted(run_folder.rglob("metrics.csv"), key=lambda path: path.stat().st_mtime_ns):
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                step = _number(row.get("step"))
                for name, value in row.items():
                    number = _number(value)
                    if step is not None and number is not None and name not in ("step", "epoch"):
                        found.setdefault(name, {})[step] = number
    return {name: (sorted(points), [points[step] for step in sorted(points)]) for name, points in found.items()}


def curve_figure(name: str, steps: Sequence[float], values: Sequence[float]) -> Figure:
    """One quantity over training steps."""
    import plotly.graph_objects as go

    mode = "lines" if len(steps) > 40 else "lines+markers"
    figure = go.Figure(go.Scatter(x=steps, y=values, mode=mode, line={"color": COLOURS["pretrained"], "width": 2}))
    figure.update_layout(title={"text": text(name), "font": {"size": 14}, "x": 0.02})
    return _styled(figure, height=260, x="step", legend=False)


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _rows(report: EvaluationReport, kind: str) -> list[Row]:
    return [row for row in report.rows if row.kind == kind]


def _confusion(report: EvaluationReport, row: Row, protocol: str) -> metrics.Ints:
    predicted = np.array(row.scores[protocol].predictions)
    tested = predicted >= 0
    truth = np.array([label for (label,) in report.data.labels])
    return metrics.confusion(truth[tested], predicted[tested], len(report.data.classes))


def _class_shares(report: EvaluationReport, rows: Sequence[Row], protocol: str) -> Floats:
    """What is measured of each class (K,), mean over `rows`; 0 for a class that is never tested."""
    shares = [[value or 0.0 for value in class_values(report, row, protocol)] for row in rows]
    mean: Floats = np.mean(shares, axis=0)
    return mean


def _styled(figure: Figure, *, height: int, x: str = "", legend: bool = True, grid: bool = True) -> Figure:
    figure.update_layout(
        height=height, showlegend=legend, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "family": "system-ui, sans-serif", "size": 13}, bargap=0.25,
        margin={"l": 10, "r": 20, "t": 40 if figure.layout.title.text else 20, "b": 45},
        legend={"font": {"size": 11}},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False, showgrid=grid, automargin=True, title=x or None)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, showgrid=grid, automargin=True)
    return figure

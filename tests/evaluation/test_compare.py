"""Two embeddings on one split: the tests against slow versions, the sentences, and what is refused."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest

from audiossl import rng
from audiossl.errors import DataError, UsageError
from audiossl.evaluation.compare import Side, compare_sides, holm, mcnemar
from audiossl.evaluation.comparison import sentence
from audiossl.evaluation.gains import gains
from audiossl.evaluation.measures.floors import floors
from audiossl.evaluation.measures.geometry import health
from audiossl.evaluation.probes import run_task, task_of
from audiossl.evaluation.protocol import load_protocol
from audiossl.evaluation.scores import DataFacts, EvaluationReport, Health, ModelFacts, Row
from audiossl.evaluation.sides import compare, find_side
from tests.evaluation.made import blobs, items_of

KNN = load_protocol("knn@1")
HEALTH = Health.model_validate(dict.fromkeys(Health.model_fields, 1.0))
MACRO = KNN.model_copy(update={"metrics": {"single": ["macro_accuracy", "accuracy"]}})


def report_of(named, labels, folds, groups=None, protocol=KNN, kinds=None):
    """A report whose rows are made-up embeddings, by name."""
    items = items_of(labels, folds, groups)
    task = task_of(protocol, items)
    rows = [
        Row(
            kind=(kinds or {}).get(name, "pretrained"), name=name, models=[number], seed=None, sha256=name, dim=12,
            scores={protocol.id: run_task(protocol, values, task)}, health=health(values, task),
        )
        for number, (name, values) in enumerate(named.items())
    ]  # fmt: skip
    data = DataFacts(
        source="made", n=len(items), classes=task.classes, ids=task.ids, labels=task.label_lists, target="single",
        groups=task.groups.tolist(), tested=[one.test.tolist() for one in task.rounds],
        folds=[one.name for one in task.rounds], split_hash=items.split_hash, fingerprint="0", floors=floors(task),
        failed=[],
    )  # fmt: skip
    models = [ModelFacts(path=row.name, sha256="0", dim=12, recipe={}, statistics={}, about={}) for row in rows]
    return EvaluationReport(
        audiossl="0", made="now", data=data, models=models, rows=rows, gains=gains(rows, [protocol], [task]),
        protocols={protocol.id: protocol.model_dump(mode="json")}, metrics={protocol.id: protocol.metrics["single"][0]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def made():
    """Two embeddings of the same clips, one of them noisier, in groups of eight."""
    x, labels, folds = blobs(n=160)
    noisy = x + np.random.default_rng(1).normal(size=x.shape) * 1.5
    return {"good": x, "bad": noisy}, labels, folds, np.arange(160) // 32 * 4 + folds


def written(report, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(report.model_dump_json())
    return folder


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [(21, 13, 0.23), (24, 12, 0.065), (36, 9, 6.6e-5), (34, 19, 0.053), (37, 18, 0.014), (80, 7, 8.3e-17),
     (22, 18, 0.64), (38, 19, 0.016), (41, 11, 3.6e-5), (41, 16, 0.0013), (5, 6, 1.0), (84, 6, 1.1e-18),
     (86, 8, 1.2e-17)],
)  # fmt: skip
def test_mcnemar_gives_the_published_figures(one, other, p):
    """Measured on ESC-10 between published encoders: evaluation.md of the reference, section 6."""
    assert mcnemar(one, other) == pytest.approx(p, rel=0.05)
    assert mcnemar(other, one) == mcnemar(one, other)


def test_mcnemar_equals_counting_coin_tosses():
    for one in range(9):
        for other in range(9):
            n = one + other
            tail = sum(comb(n, k) for k in range(min(one, other) + 1)) / 2**n
            assert mcnemar(one, other) == pytest.approx(min(1.0, 2 * tail))


def test_holm_steps_down_and_skips_what_has_no_p():
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02], nan_ok=True)
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize("protocol", [KNN, MACRO], ids=["accuracy", "macro accuracy"])
def test_the_comparison_equals_one_written_out(made, tmp_path, protocol):
    macro = protocol is MACRO
    protocol = protocol.model_copy(update={"interval": protocol.interval.model_copy(update={"draws": 300})})
    named, labels, folds, groups = made
    report = report_of(named, labels, folds, groups, protocol)
    folder = written(report, tmp_path)
    (found,) = compare(f"{folder}:good", f"{folder}:bad").comparisons
    right = {row.name: np.array(row.scores["knn@1"].predictions) == labels for row in report.rows}
    assert found.only_a == (right["good"] & ~right["bad"]).sum() > found.only_b
    assert found.only_b == (right["bad"] & ~right["good"]).sum()
    assert found.p == mcnemar(found.only_a, found.only_b)

    def measured(of, clips):
        if not macro:
            return of[clips].mean()
        return np.mean([of[[c for c in clips if labels[c] == k]].mean() for k in sorted(set(labels[clips]))])

    groups = np.array(report.data.groups)  # numbered by name, which decides who is drawn
    draws, stream = np.zeros(protocol.interval.draws), rng.numpy_stream(protocol.seed, "bootstrap")
    for fold in sorted(set(folds)):
        members = np.unique(groups[folds == fold])
        for draw in range(len(draws)):  # the generator is one stream: draws of a fold follow each other
            times = stream.multinomial(len(members), np.full(len(members), 1 / len(members)))
            clips = np.concatenate(
                [
                    np.flatnonzero((folds == fold) & (groups == g))
                    for g, t in zip(members, times, strict=True)
                    for _ in range(t)
                ]
            )
            draws[draw] += (measured(right["good"], clips) - measured(right["bad"], clips)) / len(set(folds))
    assert found.interval == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=1e-9)
    assert found.difference == pytest.approx(found.a - found.b)


def test_the_sentence_says_who_by_how_much_and_whether_it_may_be_chance(made, tmp_path):
    named, labels, folds, groups = made
    folder = written(report_of(named, labels, folds, groups), tmp_path)
    report = compare(f"{folder}:good", f"{folder}:bad")
    (found,) = report.comparisons
    told = sentence(found, report)
    assert told.startswith(f"good is better than bad on made under knn@1 by {100 * found.difference:.1f} points (95 % ")
    assert f"McNemar {found.only_a}:{found.only_b}, p = {found.p:.2g})" in told
    assert told.endswith(": more than chance")
    swapped = compare(f"{folder}:bad", f"{folder}:good")
    assert sentence(swapped.comparisons[0], swapped) == told
    assert swapped.comparisons[0].difference == pytest.approx(-found.difference)
    unsure = found.model_copy(update={"p": 0.2, "p_holm": 0.2})
    assert sentence(unsure, report).endswith("p = 0.2): this may be chance")
    unsure = found.model_copy(update={"interval": (-0.01, 0.2)})
    assert sentence(unsure, report).endswith("this may be chance")
    several = report.model_copy(update={"comparisons": [found, found]})
    assert "after Holm for 2 comparisons" in sentence(found, several)


def test_scores_without_items_are_compared_draw_by_draw(made):
    named, labels, folds, _ = made
    report = report_of(named, labels, folds)

    def with_draws(row, draws):
        score = row.scores["knn@1"].model_copy(
            update={"metric": "map_macro", "right": [], "predictions": [], "draws": list(draws)}
        )
        return row.model_copy(update={"scores": {"knn@1": score}})

    noise = np.random.default_rng(0).normal(size=999)
    side = find_side_of(report, {"good": 0.6 + 0.05 * noise, "bad": 0.5 + 0.05 * noise + 0.001}, with_draws)
    (found,) = compare_sides(side("good"), side("bad")).comparisons
    assert found.interval == pytest.approx((0.099, 0.099))  # what both share goes away
    assert found.p == pytest.approx(2 / 1000)
    assert found.only_a is None
    assert found.classes == []


def find_side_of(report, draws, change):

    rows = {row.name: change(row, draws[row.name]) for row in report.rows}
    return lambda name: Side(name, {"made": (report, rows[name])})


def test_classes_that_changed_come_with_counts_the_most_first(made, tmp_path):
    named, labels, folds, groups = made
    report = report_of(named, labels, folds, groups)
    folder = written(report, tmp_path)
    (found,) = compare(f"{folder}:good", f"{folder}:bad").comparisons
    gaps = [abs(change.a - change.b) for change in found.classes]
    assert gaps == sorted(gaps, reverse=True) and 0 not in gaps
    for change in found.classes:
        clips = labels == int(change.name)
        assert change.n == clips.sum()
        assert change.a == pytest.approx((np.array(report.rows[0].scores["knn@1"].predictions) == labels)[clips].mean())


def test_items_in_another_order_are_the_same_items(made, tmp_path):
    named, labels, folds, groups = made
    folder = written(report_of({"good": named["good"]}, labels, folds, groups), tmp_path / "a")
    other = json.loads(report_of({"bad": named["bad"]}, labels, folds, groups).model_dump_json())
    straight = written(EvaluationReport.model_validate(other), tmp_path / "b")
    order = np.random.default_rng(0).permutation(len(labels)).tolist()
    place = {item: new for new, item in enumerate(order)}
    data, score = other["data"], other["rows"][0]["scores"]["knn@1"]
    for part, keys in ((data, ("ids", "groups", "labels")), (score, ("predictions", "right"))):
        for key in keys:
            part[key] = [part[key][item] for item in order]
    data["tested"] = [sorted(place[item] for item in fold) for fold in data["tested"]]
    shuffled = written(EvaluationReport.model_validate(other), tmp_path / "c")
    assert compare(folder, shuffled) == compare(folder, straight)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r["data"]["ids"].__setitem__(3, "other"), "different items: clip3 only in A, other only in B"),
        (lambda r: r["data"]["labels"].__setitem__(3, [0]), "clip3 is 3 in A and 0 in B"),
        (lambda r: r["data"]["folds"].__setitem__(0, "9"), "A tested the folds 1, 2, 3, 4, B 9, 2, 3, 4"),
        (lambda r: r["data"]["tested"][0].pop(), "the test fold 1 is another in B"),
        (lambda r: r["data"].__setitem__("split_hash", "x"), "same test items but different training items"),
        (lambda r: r["data"]["groups"].__setitem__(0, 999), "same test items but different groups"),
        (lambda r: r["protocols"]["knn@1"]["head"].__setitem__("k", 3), "knn@1 is not the same in both: head is"),
        (lambda r: r["rows"][0]["scores"]["knn@1"].__setitem__("split_hash", "x"), "parted the items differently"),
    ],
)
def test_another_split_or_protocol_is_refused_with_what_differs(made, tmp_path, change, told):
    named, labels, folds, groups = made
    report = report_of({"good": named["good"]}, labels, folds, groups)
    other = json.loads(report.model_dump_json())
    change(other)
    a, b = written(report, tmp_path / "a"), written(EvaluationReport.model_validate(other), tmp_path / "b")
    with pytest.raises(DataError, match=told):
        compare(a, b)


def test_rows_are_named_by_any_part_that_is_theirs_alone(made, tmp_path):
    named, labels, folds, _ = made
    rows = {"runs/a": named["good"], "runs/b": named["bad"], "log-mel statistics": named["bad"]}
    folder = written(
        report_of(rows, labels, folds, kinds={"log-mel statistics": "statistics"}), tmp_path / "with:colon"
    )
    assert find_side(f"{folder}:LOG").label == "log-mel statistics"
    assert find_side(f"{folder}/report.json:runs/b").label == "runs/b"
    with pytest.raises(UsageError, match=r"2 models were evaluated; say which: .*:runs/a, .*:runs/b"):
        find_side(folder)
    with pytest.raises(UsageError, match="2 rows are called runs"):
        find_side(f"{folder}:runs")
    with pytest.raises(UsageError, match=r"no row is called mfcc; write one of .*log-mel statistics"):
        find_side(f"{folder}:mfcc")
    report = compare(f"{folder}:runs/a", f"{folder}:runs/b")
    assert [line.label for line in report.baselines] == ["log-mel statistics", "most frequent class", "chance"]


def test_what_is_no_evaluation_is_told_in_a_sentence(made, tmp_path):
    named, labels, folds, _ = made
    folder = written(report_of({"good": named["good"]}, labels, folds), tmp_path / "good")
    with pytest.raises(DataError, match="there is no such evaluation"):
        compare(folder, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"report.json: there is no evaluation here"):
        compare(folder, tmp_path / "empty")
    cut = tmp_path / "cut.json"
    cut.write_text((folder / "report.json").read_text()[:-30])
    with pytest.raises(DataError, match="is cut"):
        compare(folder, cut)
    cut.write_text('{"audiossl": "0"}')
    with pytest.raises(DataError, match=r"cut.json: is no report of this audiossl \(made"):
        compare(folder, cut)
    with pytest.raises(UsageError, match="is given twice"):
        compare(folder, folder)
    with pytest.raises(UsageError, match="name the data with --on"):
        compare(folder, folder, protocols=["knn@1"])

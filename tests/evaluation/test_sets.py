"""Several data sets and models in one table: names, places, failures, marks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiossl.data.manifest import load_items
from audiossl.errors import UsageError
from audiossl.evaluation import choice
from audiossl.evaluation.protocol import list_protocols, load_protocol
from audiossl.evaluation.report.table import Cell, footnotes, grid, lines
from audiossl.evaluation.scores import EvaluationReport
from audiossl.evaluation.sets import data_sets, told_places
from audiossl_cli.app import run
from tests.evaluation.made import WINGS, cut_file, made_set, saved, tiny_bundle

QUICK = ["--protocol", "knn@1", "--no-baselines"]


@pytest.fixture(scope="module", params=WINGS)
def wing(request):
    return request.param


@pytest.fixture(scope="module")
def made(wing, tmp_path_factory):
    """A bundle, a good data set, and one with a broken file."""
    folder = tmp_path_factory.mktemp("sets")
    model = saved(tiny_bundle(wing), folder / "m.safetensors")
    good, bad = made_set(wing, folder / "good"), made_set(wing, folder / "bad")
    cut_file(wing, load_items(bad).paths()[3])
    return str(model), str(good), str(bad)


def test_sets_have_names_of_their_own(tmp_path):
    (tmp_path / "my sounds").mkdir()
    found = data_sets(
        ["esc50", "nsynth/pitch", "a/clips.csv", "b/clips.csv", "c/metadata.csv", str(tmp_path / "my sounds")], None
    )
    assert [one.name for one in found] == ["esc50", "nsynth-pitch", "clips", "clips-2", "c", "my-sounds"]
    with pytest.raises(UsageError, match="--on esc50 is given twice"):
        data_sets(["esc50", "esc10", "esc50"], None)


def test_a_folder_is_for_its_set_for_its_manifests_tasks_or_for_all(tmp_path):
    on = ["esc50", "nsynth/pitch", "nsynth/instrument"]
    places = told_places(on, ["nsynth=/data/n", "esc50=/data/e"])
    assert [one.data for one in data_sets(on, places)] == [Path("/data/e"), Path("/data/n"), Path("/data/n")]
    assert told_places(on, ["/data/all"]) == Path("/data/all")
    assert {one.data for one in data_sets(on, Path("/data/all"))} == {Path("/data/all")}
    assert told_places(on, []) is None
    (tmp_path / "a=b").mkdir()  # a folder of such a name is no set
    assert told_places(["esc50"], [str(tmp_path / "a=b")]) == tmp_path / "a=b"
    with pytest.raises(UsageError, match="names no data set of --on"):
        data_sets(on, told_places(on, ["esc51=/data/e"]))
    with pytest.raises(UsageError, match="2 times; say which is for which"):
        told_places(on, ["/data/e", "/data/n"])
    with pytest.raises(UsageError, match="write SET=PATH for each set, or one PATH"):
        told_places(on, ["/data/e", "nsynth=/data/n"])


def test_groups_hold_what_scores_the_target_and_names_are_taken_at_their_word():
    quick, full = choice.choose(["quick"]), choice.choose(["full"])
    assert [one.protocol.id for one in quick] == list(choice.QUICK)
    shipped = [load_protocol(name) for name in list_protocols()]
    assert {one.protocol.id for one in full} == {one.id for one in shipped if "full" in choice.groups_of(one)}
    for one in choice.fitting(full, "single", "made"):
        assert "single" in one.metrics
    both = choice.choose(["knn@1", "quick"])
    assert [(one.protocol.id, one.by_name) for one in both][:2] == [("knn@1", True), ("lr_nested@1", False)]
    for target in ("single", "multi", "events"):
        assert choice.fitting(quick, target, "made")
    multi_only = KNN.model_copy(update={"metrics": {"multi": ["map_macro"]}})
    asked = [choice.Wanted(multi_only, True)]
    assert choice.fitting(asked, "single", "made") == [multi_only]  # refused by name, where it is run
    with pytest.raises(UsageError, match=r"made has one label per item, and none of knn@1 scores such; choose .*knn@1"):
        choice.fitting(asked, "single", "made", lenient=True)


KNN = load_protocol("knn@1")


def test_what_has_no_time_is_not_looked_at_along_time():
    """Groups leave such protocols out; one asked for by name is refused, or idle among several sets."""
    full, named = choice.choose(["full"]), choice.choose(["full", "fonseca2021@1"])
    timed, untimed = (choice.fitting(full, "single", "made", timed=timed) for timed in (True, False))
    assert [one.id for one in timed if one not in untimed] == ["fonseca2021@1"]
    with pytest.raises(UsageError, match="fonseca2021@1 looks along time, and what made holds has none"):
        choice.fitting(named, "single", "made", timed=False)
    assert choice.fitting(named, "single", "made", timed=False, lenient=True) == untimed
    with pytest.raises(UsageError, match=r"made has timed events.* no shipped protocol does"):
        choice.fitting(full, "events", "made", timed=False)


def test_one_set_that_fails_costs_no_other_its_scores(made, tmp_path, capsys):
    model, good, bad = made
    out = tmp_path / "out"
    assert run(["evaluate", model, "--on", good, "--on", bad, *QUICK, "--out", str(out)]) == 4
    told, words = capsys.readouterr()
    assert "1 of 2 sets have no scores" in words and "cannot be embedded" in words
    names = [one.name for one in data_sets([good, bad], None)]
    assert names[0] in told and names[1] not in told
    report = EvaluationReport.model_validate_json((out / names[0] / "report.json").read_bytes())
    index = json.loads((out / "index.json").read_text())
    (row,) = report.rows
    assert index["scores"][0]["value"] == row.scores["knn@1"].value
    assert index["sets"][0]["report"] == f"{names[0]}/report.json"
    assert [one["name"] for one in index["failed"]] == [names[1]]
    page = (out / "index.html").read_text()
    assert f"href='{names[0]}/report.html'" in page and "cannot be embedded" in page
    assert not (out / names[1]).exists()


def test_faults_are_met_before_the_first_set_is_scored(made, tmp_path, capsys, monkeypatch):
    model, good, bad = made
    monkeypatch.setattr("audiossl.evaluation.suite.evaluate_items", None)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(Path(model).read_bytes()[:-1000])
    for arguments, code, told in (
        ([str(cut), "--on", good, "--on", bad], 3, "cut.safetensors"),
        ([model, "--on", good, "--on", "esc5O"], 3, "esc5O"),
        ([model, "--on", good, "--on", bad, "--protocol", "knm@1"], 2, "did you mean knn@1"),
        ([model, model, "--on", good, "--on", bad], 2, "is given twice"),
    ):
        assert run(["evaluate", *arguments, "--out", str(tmp_path / "out")]) == code
        words = capsys.readouterr().err
        assert told in words and "Traceback" not in words
        assert not (tmp_path / "out").exists()


def test_a_cut_bundle_is_one_sentence_and_nothing_is_written(made, tmp_path, capsys):
    model, good, _ = made
    cut = tmp_path / "cut.safetensors"
    for kept in (20, -1000):
        cut.write_bytes(Path(model).read_bytes()[:kept])
        assert run(["evaluate", str(cut), "--on", good, "--out", str(tmp_path / "out")]) == 3
        out, words = capsys.readouterr()
        assert out == "" and str(cut) in words and len(words.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_classes_and_confusions_are_printed_on_demand(made, capsys):
    model, good, _ = made
    assert run(["evaluate", model, "--on", good, *QUICK, "--per-class"]) == 0
    told = capsys.readouterr().out
    assert "accuracy within each class" in told and "most frequent confusions" in told


def test_two_encoders_are_evaluated_and_compared(wing, made, tmp_path, capsys):
    model, good, _ = made
    other = tmp_path / "other.safetensors"
    saved(tiny_bundle(wing, seed=6), other)
    assert run(["compare", model, str(other), "--on", good, *QUICK, "--out", str(tmp_path / "out")]) == 0
    first = capsys.readouterr().out
    assert "under knn@1" in first and "McNemar" in first
    name = data_sets([good], None)[0].name
    assert run(["compare", f"{tmp_path / 'out'}:m.safetensors", f"{tmp_path / 'out'}:other"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split(" (")[1] == first.splitlines()[0].split(" (")[1], name


def test_protocols_are_listed_with_their_targets_groups_and_marks(capsys):
    assert run(["protocols"]) == 0
    told = capsys.readouterr().out
    for name in list_protocols():
        one = load_protocol(name)
        assert (f"{name} †" in told) == one.test_selected
        assert name in told and one.title in told
    assert run(["protocols", "knn@1", "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert (entry["id"], entry["hash"], entry["groups"]) == ("knn@1", KNN.hash, ["quick", "full"])


@pytest.fixture
def report(made, tmp_path):
    from audiossl.evaluation.evaluate import evaluate

    return evaluate(made[0], made[1], protocols=["knn@1"], baselines=False)


def test_what_was_chosen_on_the_test_is_marked_in_every_table(report):
    plain = json.loads(report.model_dump_json())
    plain["protocols"]["knn@1"]["test_selected"] = True
    plain["rows"][0]["scores"]["knn@1"]["test_selected"] = True
    marked = EvaluationReport.model_validate(plain)
    assert lines(report)[0].cells["knn@1"].shown.endswith("†") is False
    for table in (
        lines(marked)[0].cells["knn@1"].shown,
        lines(marked)[0].cells["knn@1"].compact,
        grid([("a", marked)])[0][0].name,
    ):
        assert "†" in table
    assert any(note.startswith("† knn@1: something is chosen on the test items") for note in footnotes([marked]))
    assert not any("†" in note for note in footnotes([report]))


def test_empty_cells_notes_and_duplicates_have_footnotes(report):
    plain = json.loads(report.model_dump_json())
    plain["protocols"]["other@1"] = {**plain["protocols"]["knn@1"], "features": {"unit": "patch"}}
    plain["metrics"]["other@1"] = "accuracy"
    plain["rows"][0]["scores"]["knn@1"]["notes"] = ["one item does not count"]
    plain["data"]["duplicates"] = ["a.wav and b.wav (split 1)", "c and d (split 2)"]
    plain["data"]["left_out"] = 1234
    notes = footnotes([EvaluationReport.model_validate(plain)])
    assert any(f"partial copy: 1,234 {report.data.nouns}" in note for note in notes)
    assert any(
        note.startswith(f"other@1 looks at short windows of a {report.data.noun}, so it scores no ") for note in notes
    )
    assert "knn@1: one item does not count" in notes
    assert any("on both sides of a split: a.wav and b.wav (split 1) and 1 more" in note for note in notes)


def test_sets_side_by_side_keep_lines_together_and_leave_gaps(report):
    other = report.model_copy(update={"rows": [report.rows[0].model_copy(update={"name": "another"})]})
    heads, found = grid([("one", report), ("two", other)])
    assert [(head.data, head.protocol) for head in heads] == [("one", "knn@1"), ("two", "knn@1")]
    by_label = {line.label: [cell is not None for cell in line.cells] for line in found}
    assert by_label == {
        report.rows[0].name: [True, False], "another": [False, True],
        "most frequent class": [True, True], "chance": [True, True],
    }  # fmt: skip


def test_cells_are_short_and_exact():
    assert Cell("accuracy", 0.925, interval=(0.889, 0.955)).compact == "92.5 (89–96)"
    assert Cell("accuracy", 0.8467, deviation=0.0113).compact == "84.7 ± 1.1"
    assert Cell("dprime_macro", 1.2344, interval=(1.2, 1.26), test_selected=True).compact == "1.234 † (1.20–1.26)"
    assert Cell("accuracy", 0.9, curve=[(1, 0.567), (0.1, 0.72)]).parts == "1: 56.7 0.1: 72.0"

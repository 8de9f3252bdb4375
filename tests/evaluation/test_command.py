from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest

from audiossl.bundle.baseline import BASELINES
from audiossl.modality import MODALITIES
from audiossl_cli.app import run
from tests.evaluation.made import RECIPES, WINGS, made_set, saved, tiny_bundle


@pytest.fixture(scope="module", params=WINGS)
def wing(request):
    return request.param


@pytest.fixture(scope="module")
def files(wing, tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    return str(saved(tiny_bundle(wing), folder / "m.safetensors")), str(made_set(wing, folder / "labelled"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))


def test_the_table_goes_to_stdout_and_words_to_stderr(wing, files, tmp_path, capsys):
    model, table = files
    asked = ["evaluate", model, "--on", table, "--protocol", "knn@1", "--seed", "0", "--seed", "1"]
    assert run([*asked, "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    modality = MODALITIES[wing]
    plain = [one.title for one in modality.plain()]
    for row in (model, f"untrained {RECIPES[wing].encoder.name} x2", *plain, "chance", f"48 {modality.nouns}"):
        assert row in out
    assert "points over the untrained encoder" in out
    assert "report.html" in err
    assert (tmp_path / "out" / "report.json").is_file()
    page = (tmp_path / "out" / "report.html").read_text()
    words = re.sub(r"<(script|style|details)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    others = [other.nouns for name, other in MODALITIES.items() if name != wing]
    assert f"48 {modality.nouns}" in words and not re.search(rf"\b({'|'.join([*others, 'clips?'])})\b", words)


def test_json_is_the_whole_report(files, capsys):
    model, table = files
    assert run(["evaluate", model, "--on", table, "--protocol", "knn@1", "--no-baselines", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["kind"] for row in report["rows"]] == ["pretrained"]
    assert report["gains"] == []


def test_an_unknown_protocol_is_a_usage_error(files, capsys):
    model, table = files
    assert run(["evaluate", model, "--on", table, "--protocol", "lr_nestd@1"]) == 2
    assert "did you mean lr_nested@1" in capsys.readouterr().err


def test_a_protocol_that_looks_along_time_scores_what_has_time(wing, files, tmp_path, capsys, monkeypatch):
    model, table = files
    monkeypatch.setattr("audiossl.evaluation.evaluate.readable_features", None)  # what is refused comes not so far
    with suppress(TypeError):
        run(["evaluate", model, "--on", table, "--protocol", "fonseca2021@1", "--out", str(tmp_path / "out")])
    refused = "fonseca2021@1 looks along time" in capsys.readouterr().err
    assert refused == (MODALITIES[wing].rate(RECIPES[wing]) is None)
    assert not (tmp_path / "out").exists()


def test_plain_features_of_all_wings_have_names_of_their_own():
    names = [one.name for modality in MODALITIES.values() for one in modality.plain()]
    assert list(BASELINES) == names and len(set(names)) == len(names) == 4

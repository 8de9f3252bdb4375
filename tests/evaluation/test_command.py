from __future__ import annotations

import json

import pytest

from audiossl.audio.synth import make_sounds
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.schema import Recipe
from audiossl_cli.app import run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    bundle = untrained_bundle(Recipe(encoder=AudioNtt2020Config(dim=16)), Statistics(-8.0, 4.0, 10), seed=5)
    save_bundle(
        folder / "m.safetensors", encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics,
        training={}, data={},
    )  # fmt: skip
    return str(folder / "m.safetensors"), str(make_sounds(folder / "sounds", 48, seed=0))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))


def test_the_table_goes_to_stdout_and_words_to_stderr(files, tmp_path, capsys):
    model, table = files
    asked = ["evaluate", model, "--on", table, "--protocol", "knn@1", "--seed", "0", "--seed", "1"]
    assert run([*asked, "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    for row in (model, "untrained audiontt2020 x2", "log-mel statistics", "chance"):
        assert row in out
    assert "points over the untrained encoder" in out
    assert "report.html" in err
    assert (tmp_path / "out" / "report.json").is_file()


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

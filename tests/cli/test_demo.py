"""`audiossl demo`: the verdict. (The demo itself is run by `python3 dev.py demo`.)"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from audiossl.bundle import load as bundle_load
from audiossl.embedding import extract
from audiossl.evaluation import evaluate as evaluation
from audiossl.evaluation.scores import Gain
from audiossl.training import prepare
from audiossl.training import pretrain as training
from audiossl_cli import app as cli
from audiossl_cli import demo


@pytest.fixture
def rooms(monkeypatch):
    """Every room the demo goes through, without its work; `gain` is what the evaluation finds."""
    told = SimpleNamespace(gain=0.2, stopped_by=None, calls=[])

    def pretrain(recipe, out, **options):
        told.calls.append(("pretrain", recipe.name, options["fresh"]))
        bundle = None if told.stopped_by else out / "encoder.safetensors"
        return training.PretrainResult(bundle, 60, 60, 30.0, None, stopped_by=told.stopped_by)

    def evaluate(models, items, **options):
        told.calls.append(("evaluate", items, options["out"]))
        numbers = {"pretrained": 0.3 + told.gain, "untrained": 0.3, "untrained_std": 0.01, "gain": told.gain}
        gains = [
            Gain(model=0, protocol=name, metric="accuracy", interval=(0, 0.4), **numbers)
            for name in ("lr_nested@1", "knn@1")
        ]
        return SimpleNamespace(gains=gains)

    monkeypatch.setattr(training, "pretrain", pretrain)
    monkeypatch.setattr(prepare, "find_items", lambda recipe: recipe.data.manifest)
    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    monkeypatch.setattr(bundle_load, "load_bundle", lambda path: path)
    monkeypatch.setattr(extract, "embed_items", lambda *a, **k: told.calls.append(("embed", a[1], a[2])))
    monkeypatch.setattr(demo, "show", lambda report: None)
    return told


@pytest.mark.parametrize(
    ("gain", "code", "word"), [(0.2, 0, "PASS"), (0.05, 0, "PASS"), (0.049, 1, "FAIL"), (-0.1, 1, "FAIL")]
)
def test_the_verdict_is_the_gain_over_untrained_encoders_against_the_stated_margin(rooms, capsys, gain, code, word):
    rooms.gain = gain
    assert cli.run(["demo"]) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{word}: {100 * gain:+.1f} points")


def test_the_demo_pretrains_afresh_embeds_and_evaluates_the_made_up_sounds(rooms):
    assert cli.run(["demo", "--out", "here"]) == 0
    assert rooms.calls == [
        ("pretrain", "demo", True),
        ("embed", "synth", Path("here/embeddings")),
        ("evaluate", "synth", Path("here")),
    ]


def test_json_holds_the_verdict_and_the_exit_code_stays(rooms, capsys):
    rooms.gain = 0.01
    assert cli.run(["demo", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["gain"], told["margin"]) == (False, 0.01, 0.05)


def test_an_interrupted_demo_is_no_failure_of_the_method(rooms, capsys):
    rooms.stopped_by = 2
    assert cli.run(["demo"]) == 130
    assert "FAIL" not in capsys.readouterr().out

"""`audiossl pretrain`: options as fields of the recipe, the plan, exit codes, and the whole way on a few sounds."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from audiossl.training import pretrain as training
from audiossl_cli import app as cli
from audiossl_cli.pretrain import Device, overrides


@pytest.fixture
def sounds(tmp_path, monkeypatch):
    """A folder with a few made-up sounds and a tiny recipe, which is where we stand."""
    from audiossl.audio.synth import make_sounds

    make_sounds(tmp_path / "my sounds", 24, 0)
    (tmp_path / "tiny.yaml").write_text(
        "extends: audio/demo\nname: tiny\nfrontend: {hop: 640}\nencoder: {dim: 16}\n"
        "training: {steps: 2, batch_size: 8, threads: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "my sounds"


@pytest.fixture
def trained(monkeypatch):
    """What `pretrain` was asked for; `answer` is what it gives."""
    asked = SimpleNamespace(recipe=None, out=None, options=None, answer=None)

    def fake(recipe, out, **options):
        asked.recipe, asked.out, asked.options = recipe, out, options
        return asked.answer

    asked.answer = training.PretrainResult(Path("encoder.safetensors"), 2, 2, 1.0, None)
    monkeypatch.setattr(training, "pretrain", fake)
    return asked


def test_options_are_what_set_would_say_and_set_has_the_last_word():
    told = overrides(["seed=2"], on="a: b #c", data=Path("d e"), seed=1, device=Device.cpu)
    whole = ['data.manifest="a: b #c"', "data.splits=null", "data.folds=null", "data.limit=null"]
    assert told == [*whole, 'data.root="d e"', "seed=1", 'training.accelerator="cpu"', "seed=2"]
    assert overrides([], on=None, data=None, seed=None, device=None) == []


def test_on_trains_on_ones_own_folder(sounds, trained, capsys):
    arguments = ["tiny.yaml", "--on", str(sounds), "--seed", "7", "--device", "cpu", "--set", "training.steps=3"]
    assert cli.run(["pretrain", *arguments]) == 0
    recipe = trained.recipe
    assert (recipe.data.manifest, recipe.seed, recipe.training.steps) == (str(sounds), 7, 3)
    assert recipe.training.accelerator == "cpu"
    assert capsys.readouterr().out == "encoder.safetensors\n"


def test_on_takes_all_of_it_whatever_the_recipe_takes_of_its_own_data(sounds, trained):
    Path("part.yaml").write_text("extends: tiny.yaml\ndata: {splits: [train], folds: [1], limit: 5}\n")
    assert cli.run(["pretrain", "part.yaml", "--on", str(sounds)]) == 0
    data = trained.recipe.data
    assert (data.splits, data.folds, data.limit) == (None, None, None)


@pytest.mark.parametrize(
    ("recipe", "arguments", "folder"),
    [("tiny.yaml", [], "runs/tiny"), ("nameless.yaml", [], "runs/nameless"), ("tiny", ["--out", "x"], "x")],
)
def test_the_run_folder_is_named_after_the_recipe(sounds, trained, recipe, arguments, folder):
    Path("nameless.yaml").write_text("seed: 1\n")
    assert cli.run(["pretrain", recipe, *arguments]) == 0
    assert trained.out == Path(folder)


def test_a_faulty_recipe_is_exit_code_2_with_its_line(sounds, capsys):
    Path("bad.yaml").write_text("training:\n  stepz: 3\n")
    assert cli.run(["pretrain", "bad.yaml"]) == 2
    assert "bad.yaml:2" in capsys.readouterr().err


def test_missing_data_is_exit_code_3(sounds, capsys):
    assert cli.run(["pretrain", "tiny.yaml", "--on", "nowhere/"]) == 3
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_an_interrupted_run_says_how_to_continue(sounds, trained, capsys, signal, code):
    trained.answer = training.PretrainResult(None, 1, 2, 1.0, None, stopped_by=signal)
    assert cli.run(["pretrain", "tiny.yaml"]) == code
    captured = capsys.readouterr()
    assert "the same command continues" in captured.err
    assert captured.out == ""


def test_unreadable_clips_are_exit_code_4_beside_the_result(sounds, trained, capsys):
    failures = [SimpleNamespace(path="a.wav", cause="has no samples")]
    trained.answer = training.PretrainResult(Path("encoder.safetensors"), 2, 2, 1.0, None, failures=failures)
    assert cli.run(["pretrain", "tiny.yaml", "--json"]) == 4
    captured = capsys.readouterr()
    assert json.loads(captured.out)["failures"] == 1
    assert "failures.csv" in captured.err


def test_dry_run_prints_the_resolved_recipe_and_trains_nothing(sounds, trained, capsys):
    assert cli.run(["pretrain", "tiny.yaml", "--on", str(sounds), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["items"], plan["steps"]) == (24, 2)
    assert "auto" not in {plan["recipe"]["training"][key] for key in ("precision", "accelerator", "threads")}
    assert trained.recipe is None
    assert cli.run(["pretrain", "tiny.yaml", "--on", str(sounds), "--dry-run"]) == 0
    assert "name: tiny\n" in capsys.readouterr().out


def test_from_a_folder_of_sounds_to_embeddings_and_the_second_call_has_nothing_to_do(sounds, capsys):
    command = ["pretrain", "tiny.yaml", "--on", str(sounds), "--json"]
    assert cli.run(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["steps"], first["failures"]) == (2, 0)
    assert Path(first["bundle"]).is_file()
    assert cli.run(command) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["bundle"] == first["bundle"]
    assert "is done" in captured.err
    assert cli.run(["embed", first["bundle"], str(sounds), "--out", "embeddings", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["embedded"] == 24

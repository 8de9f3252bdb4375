"""`audiossl embed` at the command line: exit codes, machine output, and a start without what it does not need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.store import open_store
from audiossl_cli.app import run

HEAVY = {"lightning", "librosa", "sklearn", "torchmetrics", "torchaudio", "plotly", "timm"}
PROBE = """
import sys
from audiossl_cli.app import run
code = run(sys.argv[1:])
print(code, *sys.modules, file=sys.stderr)
"""


def test_the_command_starts_without_lightning_librosa_or_sklearn(model, sounds, tmp_path):
    out = tmp_path / "out"
    arguments = ["embed", str(model), str(sounds(1.0, 0.5)), "--out", str(out), "--json"]
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "0" and not HEAVY & {module.split(".")[0] for module in modules}
    report = json.loads(done.stdout)
    assert (report["items"], report["embedded"], report["failed"]) == (2, 2, 0)
    assert open_store(out).clips().num_rows == 2


def test_a_bad_file_gives_exit_code_4_after_the_work_is_done(model, sounds, tmp_path, capsys):
    folder = sounds(1.0)
    (folder / "bad.wav").write_bytes(b"no sound")
    arguments = ["embed", str(model), str(folder), "--out", str(tmp_path / "out")]
    assert run(arguments) == 4
    said = capsys.readouterr()
    assert "1 of 2 files embedded" in said.out and "failures.csv" in said.err
    assert run(arguments) == 4, "a failure that was not mended is told again"


def test_wrong_options_and_other_parameters_give_exit_code_2(model, sounds, tmp_path, capsys):
    arguments = ["embed", str(model), str(sounds(1.0)), "--out", str(tmp_path / "out")]
    assert run([*arguments, "--window-s", "half"]) == 2
    assert run([*arguments, "--window-s", "-1"]) == 2
    assert run([*arguments, "--precision", "8"]) == 2
    assert run([*arguments, "--window-s", "0.5"]) == 0
    assert run([*arguments, "--window-s", "auto"]) == 2
    assert "window_s: 0.5 there, auto here" in capsys.readouterr().err


@pytest.mark.parametrize("model_name", ["gone.safetensors", "folder"])
def test_a_model_or_an_input_that_is_not_there_gives_exit_code_3(model, sounds, tmp_path, model_name):
    (tmp_path / "folder").mkdir()
    assert run(["embed", str(tmp_path / model_name), str(sounds(1.0)), "--out", str(tmp_path / "out")]) == 3
    assert run(["embed", str(model), str(tmp_path / "gone"), "--out", str(tmp_path / "out")]) == 3
    assert not (tmp_path / "out").exists()


def test_layers_are_listed_and_a_wrong_one_is_answered_with_the_list(model, sounds, tmp_path, capsys):
    assert run(["embed", str(model), "--layer", "list", "--json"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    assert list(layers) == ["block1", "block2", "block3", "hidden", "fc"]
    assert (layers["block3"]["dimensions"], layers["fc"]["dimensions"]) == (512, 32)
    assert run(["embed", str(model), "--layer", "list"]) == 0
    assert "block2" in capsys.readouterr().out
    out = tmp_path / "out"
    assert run(["embed", str(model), str(sounds(1.0)), "--out", str(out), "--layer", "blok3"]) == 2
    assert "did you mean block3? it has block1, block2" in capsys.readouterr().err
    assert not out.exists()
    assert run(["embed", "logmel", "--layer", "list"]) == 2


def test_without_an_input_or_a_folder_the_sentence_says_what_is_missing(model, sounds, capsys):
    for arguments, missing in (([], "INPUT"), ([str(sounds(1.0))], "--out")):
        assert run(["embed", str(model), *arguments]) == 2
        assert missing in capsys.readouterr().err


def test_rows_made_otherwise_are_refused_in_the_same_folder_with_the_difference(model, sounds, tmp_path, capsys):
    arguments = ["embed", str(model), str(sounds(1.0)), "--out", str(tmp_path / "out"), "--pool", "mean+std"]
    assert run([*arguments, "--layer", "block3"]) == 0
    assert open_store(tmp_path / "out").embedding_dim == 1024
    for other, told in (
        (["--layer", "block2"], "layer: block3 there, block2 here"),
        ([], "layer: block3 there, None here"),
        (["--layer", "block3", "--pool", "none"], "pool: mean+std there, none here"),
    ):
        assert run([*arguments, *other]) == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("told", [["--pool", "none"], ["--layer", "block2"], ["--layer", "fc", "--pool", "mean+max"]])
def test_a_sound_from_outside_is_made_into_rows_as_the_stores_were(model, sounds, tmp_path, capsys, told):
    folder, out = sounds(1.0, 1.4), tmp_path / "out"
    assert run(["embed", str(model), str(folder), "--out", str(out), *told]) == 0
    (tmp_path / "copy.wav").write_bytes((folder / "b.wav").read_bytes())
    capsys.readouterr()
    assert run(["search", str(out), str(tmp_path / "copy.wav"), "--kind", "clips", "--k", "1", "--json"]) == 0
    (hit,) = json.loads(capsys.readouterr().out)[0]["hits"]
    assert hit["path"].endswith("b.wav") and hit["similarity"] == pytest.approx(1.0, abs=1e-9)


def test_the_report_says_everything(model, sounds, tmp_path, capsys):
    folder, out = sounds(1.0, 2.0), tmp_path / "out"
    (folder / "bad.wav").write_bytes(b"no sound")
    assert run(["embed", str(model), str(folder), "--out", str(out), "--window-s", "0.5", "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    assert (report["items"], report["embedded"], report["failed"], report["windows"]) == (3, 2, 1, 6)
    assert report["sound_s"] == 3.0 and report["embedding_dim"] == 32 and report["precision_check"] is None
    assert report["parameters"] == open_store(out).about["parameters"]
    assert report["files_per_s"] == pytest.approx(2 / report["wall_s"])
    assert report["times_real_time"] == pytest.approx(3.0 / report["wall_s"])
    assert run(["embed", str(model), str(folder), "--out", str(out), "--window-s", "0.5", "--retry-failed"]) == 4
    assert f"1 failed (listed in {out}/failures.csv)" in capsys.readouterr().out


def test_every_option_of_an_extraction_has_its_flag(capsys):
    run(["embed", "--help"])
    text = capsys.readouterr().out
    for field in EmbedOptions.model_fields:
        assert f"--{field.replace('_', '-')}" in text or field.startswith("shard_")

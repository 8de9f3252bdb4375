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


def test_every_option_of_an_extraction_has_its_flag(capsys):
    run(["embed", "--help"])
    text = capsys.readouterr().out
    for field in EmbedOptions.model_fields:
        assert f"--{field.replace('_', '-')}" in text or field.startswith("shard_")

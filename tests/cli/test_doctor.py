"""`audiossl doctor`: says what is there, and the fix for what is wrong."""

import json
import sys

import pytest

from audiossl_cli import app as cli
from audiossl_cli import doctor


def found(capsys, code):
    assert cli.run(["doctor", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    return report["ok"], {finding["what"]: finding for finding in report["findings"]}


@pytest.fixture
def no_namesake(monkeypatch):
    """As if the other library called audiossl were not here, whatever this machine holds."""
    monkeypatch.setattr(doctor, "namesake", lambda: iter(()))


def test_a_sound_installation_is_exit_code_0(capsys, no_namesake):
    ok, findings = found(capsys, 0)
    assert ok
    assert {"Python", "torch", "torchaudio", "lightning", "libsndfile", "CPU cores", "CUDA"} <= set(findings)
    assert ".flac" in findings["readable formats"]["value"]
    assert findings["torch"]["value"].startswith("2.")


def test_the_table_ends_in_a_verdict(capsys, no_namesake):
    assert cli.run(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("Nothing is wrong.\n")


def test_a_missing_library_is_exit_code_3_with_the_fix(capsys, no_namesake, monkeypatch):
    real = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda name: None if name == "soxr" else real(name))
    ok, findings = found(capsys, 3)
    assert not ok
    assert "pip install" in findings["soxr"]["fix"]
    assert cli.run(["doctor"]) == 3
    assert "! soxr: run: python -m pip install" in capsys.readouterr().out


def test_the_other_library_of_the_same_name_is_named_with_the_fix(capsys, monkeypatch):
    real = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda name: "0.1" if name == doctor.NAMESAKE else real(name))
    _, findings = found(capsys, 3)
    assert "pip uninstall audiossl" in findings["foreign distribution `audiossl`"]["fix"]


def test_a_torchaudio_for_another_torch_is_named_with_the_fix(capsys, no_namesake, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    _, findings = found(capsys, 3)
    assert "do not fit together" in findings["torchaudio with torch"]["fix"]


def test_a_full_disk_is_named(capsys, no_namesake, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**8}))
    _, findings = found(capsys, 3)
    assert "free some space" in findings["this folder"]["fix"]


def test_a_missing_extra_is_no_problem(capsys, no_namesake, monkeypatch):
    real = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda name: None if name == "timm" else real(name))
    ok, findings = found(capsys, 0)
    assert ok
    assert "audiossl-toolkit[timm]" in findings["timm (optional)"]["value"]

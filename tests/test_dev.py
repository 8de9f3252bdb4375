"""dev.py: the stamp, the repairs, the usage, the exit codes. No environment is built: `subprocess.run` is a fake."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def dev(tmp_path, monkeypatch) -> ModuleType:
    """A fresh import of dev.py that stands in a folder of its own, with a space in its name."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checkout = tmp_path / "a check out"
    checkout.mkdir()
    for name in module.REQUIREMENTS:
        (checkout / name).write_text(name)
    monkeypatch.setattr(module, "ROOT", checkout)
    monkeypatch.delenv("AUDIOSSL_VENV", raising=False)
    return module


@pytest.fixture
def calls(dev, monkeypatch) -> list:
    """Every command that dev.py would run; `codes` maps a word of a command to the exit code it gives."""
    seen = SimpleNamespace(commands=[], environs=[], codes={})

    def fake(command, cwd=None, env=None, **_):
        seen.commands.append(list(command))
        seen.environs.append(env)
        if command[1:3] == ["-m", "venv"] and "venv" not in seen.codes:
            python = Path(dev.tool(Path(command[3]), "python"))
            python.parent.mkdir(parents=True)
            python.touch()
            (Path(command[3]) / "pyvenv.cfg").touch()
        code = next((code for word, code in seen.codes.items() if word in command), 0)
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr(subprocess, "run", fake)
    return seen


def installs(calls) -> list:
    return [command for command in calls.commands if "install" in command]


def made(calls) -> bool:
    return any(command[1:3] == ["-m", "venv"] for command in calls.commands)


def test_first_call_says_what_it_costs_makes_the_environment_and_installs_the_pinned_versions(dev, calls, capsys):
    assert dev.main(["setup"]) == 0
    assert made(calls)
    assert "6 GB" in capsys.readouterr().out
    assert len(installs(calls)) == 2
    assert all(command[command.index("-c") + 1] == "constraints.txt" for command in installs(calls))
    assert json.loads((dev.ROOT / ".venv" / dev.STAMP).read_text())["state"] == "done"


def test_second_call_does_nothing(dev, calls, capsys):
    dev.main(["setup"])
    capsys.readouterr()
    calls.commands.clear()
    assert dev.main(["setup"]) == 0
    assert not made(calls)
    assert not installs(calls)
    assert capsys.readouterr().out == ""


def test_changed_requirements_are_topped_up_without_starting_over(dev, calls):
    dev.main(["setup"])
    calls.commands.clear()
    (dev.ROOT / "constraints.txt").write_text("numpy==3")
    assert dev.main(["setup"]) == 0
    assert not made(calls)
    assert len(installs(calls)) == 2


def test_environment_whose_python_is_gone_is_made_again(dev, calls):
    dev.main(["setup"])
    calls.commands.clear()
    Path(dev.tool(dev.ROOT / ".venv", "python")).unlink()
    assert dev.main(["setup"]) == 0
    assert made(calls)
    assert len(installs(calls)) == 2


def test_interrupted_installation_is_finished_and_half_installed_packages_are_installed_again(dev, calls):
    dev.main(["setup"])
    venv = dev.ROOT / ".venv"
    dev.write_stamp(venv, "installing")
    packages = venv / "lib" / "python3.11" / "site-packages"
    for name, whole in (("whole", True), ("cut", False)):
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").touch()
        if whole:
            (info / "INSTALLER").touch()
    calls.commands.clear()
    assert dev.main(["setup"]) == 0
    assert not made(calls)
    assert [path.name for path in packages.iterdir()] == ["whole-1.0.dist-info"]
    assert len(installs(calls)) == 2


@pytest.mark.parametrize("stamp", ["", "[]", "{", '{"state": "making"}'])
def test_environment_without_a_usable_stamp_is_made_again(dev, calls, stamp):
    dev.main(["setup"])
    (dev.ROOT / ".venv" / dev.STAMP).write_text(stamp)
    calls.commands.clear()
    assert dev.main(["setup"]) == 0
    assert made(calls)


def test_a_folder_with_other_things_in_it_is_never_deleted(dev, calls, tmp_path, monkeypatch, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    monkeypatch.setenv("AUDIOSSL_VENV", str(tmp_path))
    assert dev.main(["setup"]) == 1
    assert (tmp_path / "thesis.tex").exists()
    assert "left alone" in capsys.readouterr().err


def test_failing_pip_gives_exit_code_one_and_the_next_call_continues(dev, calls, capsys):
    calls.codes["install"] = 1
    assert dev.main(["test"]) == 1
    assert "run the same command again" in capsys.readouterr().err
    assert dev.read_stamp(dev.ROOT / ".venv")["state"] == "installing"
    calls.codes.clear()
    calls.commands.clear()
    assert dev.main(["setup"]) == 0
    assert not made(calls)


def test_missing_venv_module_is_explained(dev, calls, capsys):
    calls.codes["venv"] = 1
    assert dev.main(["demo"]) == 1
    assert "apt install python3-venv" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["dmeo"], ["setup", "now"], ["check", "-k", "x"]])
def test_unknown_task_prints_the_usage_and_exits_two(dev, calls, arguments, capsys):
    assert dev.main(arguments) == 2
    assert "usage: python3 dev.py TASK" in capsys.readouterr().err
    assert calls.commands == []


def test_help_is_no_error(dev, calls, capsys):
    assert dev.main(["--help"]) == 0
    assert "usage: python3 dev.py TASK" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "word"), [("test", "pytest"), ("demo", "demo")])
@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (5, 5), (-9, 137)])
def test_exit_codes_pass_through(dev, calls, task, word, code, expected):
    calls.codes[word] = code
    assert dev.main([task]) == expected


def test_a_failing_check_fails_the_test_command_before_the_tests_start(dev, calls):
    calls.codes["format"] = 1
    assert dev.main(["test"]) == 1
    assert not any("pytest" in command for command in calls.commands)
    ran = [Path(command[0]).stem for command in calls.commands]
    assert {"ruff", "mypy", "lint-imports"} <= set(ran)


def test_extra_arguments_reach_pytest_and_the_demo(dev, calls):
    dev.main(["test", "-k", "recipe"])
    assert calls.commands[-1][-2:] == ["-k", "recipe"]
    dev.main(["demo", "--json"])
    assert calls.commands[-1][-2:] == ["demo", "--json"]


def test_tests_run_one_thread_per_process_unless_the_caller_says_otherwise(dev, calls, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    dev.main(["test"])
    assert calls.environs[-1]["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    dev.main(["test"])
    assert calls.environs[-1]["OMP_NUM_THREADS"] == "3"


def test_foreign_packages_stay_outside(dev, calls, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    dev.main(["test"])
    environs = [environ for environ in calls.environs if environ is not None]
    assert environs
    assert not any({"PYTHONPATH", "PYTHONHOME"} & set(environ) for environ in environs)
    assert all(environ["PATH"].split(os.pathsep)[0].startswith(str(dev.ROOT)) for environ in environs)


def test_dev_py_needs_the_standard_library_only():
    lines = (ROOT / "dev.py").read_text().splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names

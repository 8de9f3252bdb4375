"""The command line as a whole: help, examples, exit codes, suggestions, and that it starts without heavy libraries."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import typer

from audiossl import __version__, errors
from audiossl_cli import app as cli

HEAVY = {"torch", "numpy", "lightning", "librosa", "sklearn", "pandas", "pyarrow", "scipy"}
PROBE = """
import json, resource, sys
from audiossl_cli.app import main
sys.argv = ["audiossl", *sys.argv[1:]]
try:
    main()
except SystemExit as done:
    use = resource.getrusage(resource.RUSAGE_SELF)
    report = {"code": done.code, "cpu_s": use.ru_utime + use.ru_stime, "modules": sorted(sys.modules)}
    print(json.dumps(report), file=sys.stderr)
"""


def leaves(command, path=()):
    """Every command with its words; groups too."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(cli.app)))
NAMED = [path for path in COMMANDS if path]


def start(*arguments):
    """Run the command in a process of its own; its output, and what it cost and imported."""
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    return done, json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("path", NAMED, ids=" ".join)
def test_every_command_and_option_says_what_it_does(path):
    command = COMMANDS[path]
    assert command.help, f"audiossl {' '.join(path)} has no help"
    for option in command.params:
        assert getattr(option, "help", None), f"audiossl {' '.join(path)}: {option.name} has no help"


@pytest.mark.parametrize("path", [p for p in NAMED if not hasattr(COMMANDS[p], "commands")], ids=" ".join)
def test_every_command_shows_an_example_whose_options_exist(path):
    command = COMMANDS[path]
    example = re.search(rf"Examples?:\s+audiossl {' '.join(path)}\b.*", command.help)
    assert example, f"audiossl {' '.join(path)}: no example"
    known = {name for option in command.params for name in option.opts}
    assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", example[0])) <= known


def test_the_commands_are_those_that_are_documented():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for path in NAMED:
        assert f"audiossl {' '.join(path)}" in readme, f"README.md does not mention audiossl {' '.join(path)}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["recipe", "list"],
        ["recipe", "check", "audio/esc50_simclr"],
        *([*path, "--help"] for path in NAMED if len(path) == 1),
    ],
    ids=" ".join,
)
def test_help_and_recipes_need_no_heavy_library(arguments):
    done, report = start(*arguments)
    assert report["code"] == 0, done.stderr
    assert done.stdout
    assert not HEAVY & set(report["modules"])


def test_help_starts_fast(record_property):
    _, report = start("--help")
    record_property("cpu_s", report["cpu_s"])
    print(f"audiossl --help took {report['cpu_s']:.2f} s of CPU")
    assert "pydantic" not in report["modules"]
    assert "rich" not in report["modules"]


def test_version_names_the_libraries_without_importing_them():
    done, _ = start("--version")
    assert done.stdout.startswith(f"audiossl {__version__} (torch 2")


def test_no_command_prints_the_help():
    done, report = start()
    assert "pretrain" in done.stdout + done.stderr
    assert report["code"] == 2


def test_a_mistyped_command_suggests_the_right_one(capsys):
    assert cli.run(["pretrian"]) == 2
    assert "pretrain" in capsys.readouterr().err


def test_a_mistyped_option_is_a_usage_error(capsys):
    assert cli.run(["doctor", "--jsno"]) == 2
    assert "--json" in capsys.readouterr().err


@pytest.fixture
def failing(monkeypatch):
    """An `audiossl fail` that raises what it is given."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    todo = []

    @app.command()
    def fail():
        raise todo[0]

    monkeypatch.setattr(cli, "app", app)
    return todo


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("wrong option"), 2),
        (errors.RecipeError(["a.yaml:1: x", "a.yaml:2: y"]), 2),
        (errors.AudioError("a.wav", "has no samples"), 3),
        (errors.SomeInputsFailed("failures.csv: lists 2"), 4),
        (errors.TrainingDiverged(7, "nan", [1, 2]), 5),
        (errors.WriteError("disk full"), 6),
        (errors.CheckpointError("cut"), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_its_sentence_and_its_exit_code(failing, capsys, error, code):
    failing.append(error)
    assert cli.run([]) == code
    assert capsys.readouterr().err == f"{error}\n"


def test_a_bug_is_one_line_and_a_saved_traceback(failing, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    failing.append(ZeroDivisionError("first line\nsecond line"))
    assert cli.run([]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "ZeroDivisionError: first line" in line
    (saved,) = tmp_path.iterdir()
    assert str(saved) in line
    assert "Traceback" in saved.read_text()


def test_debug_shows_the_traceback(failing, capsys):
    failing.append(errors.UsageError("wrong option"))
    assert cli.run([], debug=True) == 2
    assert "Traceback" in capsys.readouterr().err


def test_debug_is_taken_anywhere_on_the_command_line(monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "run", lambda arguments, debug: seen.append((arguments, debug)) or 0)
    monkeypatch.setattr(sys, "argv", ["audiossl", "doctor", "--debug", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    assert seen == [(["doctor", "--json"], True)]


def test_ctrl_c_is_exit_code_130(failing):
    failing.append(KeyboardInterrupt())
    assert cli.run([]) == 130


def test_a_reader_that_goes_away_is_no_traceback():
    command = f"{sys.executable} -m audiossl_cli recipe schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "{"
    assert done.stderr == ""


def test_module_and_command_are_the_same():
    done = subprocess.run(
        [sys.executable, "-m", "audiossl_cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"audiossl {__version__}")


@pytest.mark.parametrize(
    "environ", [{}, {"LANG": "C", "LC_ALL": "C", "NO_COLOR": "1", "COLUMNS": "40"}], ids=["bare", "plain"]
)
def test_starts_without_a_home_or_a_locale(environ):
    command = [sys.executable, "-m", "audiossl_cli", "recipe", "list"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    assert "audio/" in done.stdout

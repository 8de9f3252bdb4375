"""The rules of the house that a tool can hold: nothing unpickled, no machine's paths, short files, a whole wheel."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def kept_files() -> list[Path]:
    """The files under version control, or all that are not hidden where there is no git."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    files = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


KEPT = kept_files()
PYTHON = [path for path in KEPT if path.suffix == ".py"]
PRODUCT = [path for path in PYTHON if path.relative_to(ROOT).parts[0] != "tests"]


def texts(paths):
    """(name, text) of every file that is text."""
    for path in paths:
        try:
            yield str(path.relative_to(ROOT)), path.read_text()
        except UnicodeDecodeError:
            continue


def test_nothing_is_ever_unpickled():
    forbidden = re.compile(
        r"^\s*(import|from)\s+(pickle|dill|cloudpickle|joblib)\b|weights_only\s*=\s*False|allow_pickle\s*=\s*True", re.M
    )
    found = [f"{name}: {hit[0].strip()}" for name, text in texts(PRODUCT) for hit in forbidden.finditer(text)]
    assert not found


def test_every_torch_load_takes_weights_only():
    found = []
    for name, text in texts(PRODUCT):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                told = {word.arg: ast.unparse(word.value) for word in node.keywords}
                found += [] if told.get("weights_only") == "True" else [f"{name}:{node.lineno}"]
    assert not found


def test_no_file_holds_a_path_or_an_address_of_one_machine():
    here = Path(__file__).relative_to(ROOT)
    machine = re.compile(
        r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt/(?:pypi|wheels))\b|--(?:extra-)?index-url|find-links"
    )
    found = [f"{name}: {hit[0]}" for name, text in texts(KEPT) if name != str(here) for hit in machine.finditer(text)]
    assert not found


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # A command's options are data, not code: what counts is the body.
            assert node.end_lineno - node.body[0].lineno < MAX_FUNCTION_LINES, f"{node.name}, line {node.lineno}"


def test_pins_are_exact_and_cover_what_the_project_asks_for():
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.match(r"[\w.-]+==\S+( ; .+)?$", pin) for pin in pins)
    names = {pin.split("==")[0].lower().replace("_", "-") for pin in pins}
    listed = re.findall(r'"([A-Za-z][\w-]*)[><=!~].*?"', (ROOT / "pyproject.toml").read_text())
    optional = {"kornia", "lightly", "pytorch-metric-learning", "sentence-transformers"}
    assert {name.lower().replace("_", "-") for name in listed} - optional <= names


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built offline by the installed hatchling."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_both_packages_every_recipe_and_every_manifest(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"audiossl/__init__.py", "audiossl/py.typed", "audiossl_cli/app.py"} <= names
    for kind in ("recipes", "data_manifests"):
        shipped = [path.relative_to(ROOT) for path in (ROOT / kind).rglob("*.yaml")]
        assert shipped
        assert {f"audiossl/_shipped/{path.as_posix()}" for path in shipped} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "dev.py"))]


def test_the_wheel_runs_from_any_folder_and_finds_its_recipes(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    for command, expected in ((["recipe", "list"], "audio/demo"), (["recipe", "check", "audio/demo"], "OK")):
        done = subprocess.run(
            [sys.executable, "-m", "audiossl_cli", *command],
            cwd=tmp_path,
            env={"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    where = [sys.executable, "-c", "from audiossl.files import shipped; print(shipped('recipes'))"]
    done = subprocess.run(
        where, cwd=tmp_path, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(site / "audiossl" / "_shipped" / "recipes")

"""`audiossl recipe`: results on stdout, one error that holds every problem."""

import json

import pytest
from typer.testing import CliRunner

from audiossl.errors import RecipeError
from audiossl_cli.recipe import app


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text("name: good\n")
    (tmp_path / "bad.yaml").write_text("seed: -1\nnam: x\n")


def run(*arguments):
    return CliRunner().invoke(app, arguments, catch_exceptions=True)


def test_show_prints_the_recipe_as_yaml_and_as_json(recipes):
    assert "name: good\n" in run("show", "good.yaml").stdout
    told = json.loads(run("show", "good", "--set", "seed=7", "--json").stdout)
    assert (told["name"], told["seed"], told["training"]["batch_size"]) == ("good", 7, 128)


def test_check_names_every_problem_of_every_recipe(recipes):
    result = run("check", "bad.yaml", "good.yaml", "none.yaml")
    assert result.stdout == "good.yaml: OK\n"
    assert isinstance(result.exception, RecipeError)
    assert result.exception.exit_code == 2
    assert [problem[:12] for problem in result.exception.problems] == ["bad.yaml:1: ", "bad.yaml:2: ", "there is no "]


def test_list_schema_and_diff_print_results(recipes):
    assert isinstance(json.loads(run("list", "--json").stdout), list)
    assert "ImageRecipe" in json.loads(run("schema").stdout)["$defs"]
    (diff,) = [line for line in run("diff", "good.yaml", "good.yaml").output.splitlines() if line]
    assert diff == "the two recipes say the same"
    assert run("list").exit_code == 0


@pytest.mark.parametrize("command", ["show", "check", "list", "schema", "diff"])
def test_every_command_has_an_example(command):
    assert f"Example: audiossl recipe {command}" in run(command, "--help").stdout

"""`audiossl methods`: every method of the recipe, with a sentence, paper, needs and recipes; without torch."""

import json

import pytest

from audiossl.recipe.catalogue import method_configs
from audiossl.recipe.load import list_recipes
from audiossl_cli import app as cli
from tests.cli.test_app import HEAVY, start

NAMES = {config.model_fields["name"].default: config for config in method_configs()}


def listed(capsys, *arguments):
    assert cli.run(["methods", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_method_is_listed_once_family_by_family(capsys):
    told = listed(capsys)
    assert sorted(one["name"] for one in told) == sorted(NAMES)
    families = [one["family"] for one in told]
    assert families == [family for family in dict.fromkeys(families) for _ in range(families.count(family))]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_says_what_it_does_whose_it_is_and_what_it_needs(name):
    config = NAMES[name]
    assert config.family
    assert config.paper[-4:].isdigit()
    assert config.needs
    assert config.__doc__
    assert len(config.__doc__.split("\n")[0].split()) >= 6, "the first sentence says what the method does"


def test_the_list_is_for_reading_and_has_every_sentence_paper_and_recipe(capsys):
    told = listed(capsys)
    assert cli.run(["methods"]) == 0
    text = capsys.readouterr().out
    for one in told:
        assert f"  {one['name']}  {one['sentence']}\n      {one['paper']}; needs {one['needs']}\n" in text
        assert f"{one['needs']}\n      modality: {' or '.join(one['takes'])}\n" in text
        assert all(recipe in text for recipe in one["recipes"])


def test_every_shipped_recipe_stands_with_its_method(capsys):
    told = listed(capsys)
    assert sorted(recipe for one in told for recipe in one["recipes"]) == [one.name for one in list_recipes()]
    assert "audio/esc50_simclr" in next(one["recipes"] for one in told if one["name"] == "simclr")


def test_a_sentence_does_not_end_at_et_al(capsys):
    simclr = next(one for one in listed(capsys) if one["name"] == "simclr")
    assert simclr["sentence"].startswith("SimCLR (Chen et al. 2020): ")


@pytest.mark.parametrize("name", NAMES)
def test_every_method_shows_all_its_fields_with_their_defaults(name, capsys):
    told = listed(capsys, name)
    assert [field["name"] for field in told["fields"]] == [key for key in NAMES[name].model_fields if key != "name"]
    assert cli.run(["methods", name]) == 0
    text = capsys.readouterr().out
    assert all(field["name"] in text for field in told["fields"])


def test_the_fields_of_simclr(capsys):
    fields = {field["name"]: field for field in listed(capsys, "simclr")["fields"]}
    assert fields["temperature"]["default"] == 0.2
    assert fields["head"]["default"] == "512 bn relu 512"
    assert fields["head"]["text"] == "Projection head; its output is L2-normalised."


def test_an_unknown_method_suggests_the_near_one(capsys):
    assert cli.run(["methods", "simclr2"]) == 2
    assert capsys.readouterr().err == (
        "there is no method simclr2; `audiossl methods` lists them; did you mean simclr?\n"
    )


@pytest.mark.parametrize("arguments", [[], ["simclr"], ["--json"]], ids=str)
def test_no_heavy_library_is_imported(arguments):
    done, report = start("methods", *arguments)
    assert report["code"] == 0, done.stderr
    assert done.stdout
    assert not HEAVY & set(report["modules"])

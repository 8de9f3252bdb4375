"""The Python face: what its functions hand on, and what the recipe becomes on the way."""

import pytest

import audiossl
from audiossl.errors import RecipeError
from audiossl.evaluation import evaluate as evaluation
from audiossl.recipe.load import load_recipe
from audiossl.training import pretrain as training


@pytest.fixture
def asked(monkeypatch):
    """What the rooms below were asked for."""
    told = {}

    def fake(name):
        def take(*arguments, **options):
            told[name] = (arguments, options)
            return f"what {name} gives"

        return take

    monkeypatch.setattr(training, "pretrain", fake("pretrain"))
    monkeypatch.setattr(evaluation, "evaluate", fake("evaluate"))
    return told


@pytest.mark.parametrize("recipe", ["audio/demo", load_recipe("audio/demo")], ids=["name", "recipe"])
def test_pretrain_takes_a_name_or_a_recipe_and_overrides_both(asked, recipe, tmp_path):
    given = audiossl.pretrain(
        recipe, out=tmp_path / "run", on="my sounds: 1", data=tmp_path, overrides=["training.steps=5", "seed=3"]
    )
    assert given == "what pretrain gives"
    (told, out), options = asked["pretrain"]
    assert (told.data.manifest, told.data.root) == ("my sounds: 1", str(tmp_path))
    assert (told.training.steps, told.seed, told.encoder.name) == (5, 3, "audiontt2020")
    assert (out, options["fresh"]) == (tmp_path / "run", False)


def test_pretrain_leaves_alone_what_is_not_said(asked):
    audiossl.pretrain(load_recipe("audio/demo"), out="run")
    assert asked["pretrain"][0][0] == load_recipe("audio/demo")


def test_a_wrong_override_is_refused_with_its_place():
    with pytest.raises(RecipeError, match=r"--set training\.stepz=5: unknown key; did you mean steps\?"):
        audiossl.pretrain(load_recipe("audio/demo"), out="run", overrides=["training.stepz=5"])


def test_evaluate_hands_on_what_is_said(asked):
    assert audiossl.evaluate("m.safetensors", on="esc50", data="ESC-50", baselines=False) == "what evaluate gives"
    arguments, options = asked["evaluate"]
    assert arguments == ("m.safetensors", "esc50")
    assert (options["data"], options["baselines"], options["out"]) == ("ESC-50", False, None)

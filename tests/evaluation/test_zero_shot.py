"""Zero-shot: classes by their names alone, on chosen folds, never on clips whose texts were learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiossl.audio.synth import make_sounds
from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.text import build_text_side
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.manifest import load_items
from audiossl.errors import DataError, RecipeError, UsageError
from audiossl.evaluation.evaluate import evaluate
from audiossl.evaluation.heads.zero_shot import similarities
from audiossl.evaluation.probes import run
from audiossl.evaluation.protocol import list_protocols, load_protocol
from audiossl.evaluation.protocol.parts import ZeroShotConfig
from audiossl.evaluation.report.table import lines
from audiossl.evaluation.report.write import Extras, render
from audiossl.recipe.schema import Recipe
from audiossl_cli.app import run as command
from tests.evaluation.made import blobs, items_of

ZERO_SHOT = load_protocol("zero_shot@1")
CLIP = {"name": "clip", "head": "8", "text_head": "8", "partner": {"name": "text_transformer", "dim": 16, "layers": 1}}


def recipe(**data: object) -> Recipe:
    return Recipe.model_validate({"data": data, "encoder": {"name": "audiontt2020", "dim": 16}, "method": CLIP})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    made = untrained_bundle(recipe(manifest="elsewhere"), Statistics(-8.0, 4.0, 10), seed=5)
    torch.manual_seed(0)
    return replace(made, text=build_text_side(made.recipe, 16))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    return make_sounds(tmp_path_factory.mktemp("sounds"), 48, seed=0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))


class Words:
    """A bundle that knows a direction for each text it is asked for."""

    def __init__(self, known: dict[str, list[float]]) -> None:
        self.known = known

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return np.array([self.known[text] for text in texts], np.float32)

    def project(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_a_class_is_the_mean_of_its_prompts_with_its_name_in_plain_words():
    words = Words({"sea waves": [1, 0], "a sea waves": [0, 1], "dog": [0, 1], "a dog": [0, 1]})
    head = ZeroShotConfig(prompts=["{}", "a {}"], spaces="_")
    sound = np.array([[3.0, 3.0], [0.0, 2.0]], np.float32)
    half = 0.5**0.5
    seen = similarities(words, sound, ["sea_waves", "dog"], head)
    np.testing.assert_allclose(seen, [[1, half], [half, 1]], atol=1e-6)


def test_the_class_most_alike_is_predicted_and_each_test_clip_counts_once():
    _, labels, folds = blobs(n=48)
    right = np.eye(4)[labels]
    score = run(ZERO_SHOT, right, items_of(labels, folds))
    assert (score.value, score.n) == (1.0, 48)
    wrong = np.where(np.arange(48)[:, None] < 12, -right, right)
    assert run(ZERO_SHOT, wrong, items_of(labels, folds)).value == pytest.approx(0.75)


def test_names_without_a_meaning_give_chance(bundle, sounds):
    report = evaluate(bundle, sounds, protocols=["zero_shot@1"])
    assert [row.kind for row in report.rows] == ["pretrained"]
    assert report.gains == []
    (model, majority, chance) = lines(report)
    assert chance.cells["zero_shot@1"].value == 1 / len(report.data.classes)
    assert model.cells["zero_shot@1"].value < 0.5
    assert majority.label == "most frequent class"


def test_beside_a_probe_the_baselines_keep_an_empty_cell(bundle, sounds, tmp_path, capsys):
    report = evaluate(bundle, sounds, protocols=["zero_shot@1", "knn@1"], seeds=[0])
    assert [set(row.scores) for row in report.rows] == [{"zero_shot@1", "knn@1"}, {"knn@1"}, {"knn@1"}, {"knn@1"}]
    assert [gain.protocol for gain in report.gains] == ["knn@1"]
    page = render(report, Extras())
    assert "zero-shot" in page
    assert page.count("<td class='n none'>–</td>") >= 3  # the three baselines
    path = tmp_path / "m.safetensors"
    save_bundle(path, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics, text=bundle.text)
    asked = ["evaluate", str(path), "--on", str(sounds), "--seed", "0", "--protocol", "knn@1"]
    assert command([*asked, "--protocol", "zero_shot@1", "--folds", "2"]) == 0
    out = capsys.readouterr().out
    assert "test fold 2" in out
    assert "chance" in out


def test_one_fold_scores_as_it_does_among_all_and_is_cached_on_its_own(bundle, sounds):
    every = evaluate(bundle, sounds, protocols=["knn@1", "zero_shot@1"], seeds=[0])
    one = evaluate(bundle, sounds, protocols=["knn@1", "zero_shot@1"], seeds=[0], folds=[2])
    assert one.data.folds == ["2"]
    for whole, part in zip(every.rows, one.rows, strict=True):
        for protocol, score in part.scores.items():
            (fold,) = score.folds
            assert fold in whole.scores[protocol].folds
            assert score.value == fold.metrics["accuracy"]
            assert score.n == fold.n == sum(predicted >= 0 for predicted in score.predictions)
    with pytest.raises(DataError, match="there is no test fold 9; write one of: 1, 2"):
        evaluate(bundle, sounds, folds=["9"])


def test_an_encoder_without_texts_is_refused_before_any_embedding(bundle, sounds, monkeypatch):
    monkeypatch.setattr("audiossl.evaluation.evaluate.readable_features", None)
    with pytest.raises(UsageError, match="model 1: learnt from sounds alone and knows no text, so zero_shot@1 cannot"):
        evaluate(replace(bundle, text=None), sounds, protocols=["knn@1", "zero_shot@1"])


@pytest.mark.parametrize("protocol", ["zero_shot@1", "knn@1"])
def test_clips_whose_texts_were_learnt_are_no_test(bundle, sounds, protocol):
    name = load_items(sounds).name
    for data, told in (
        ({"folds": [1, 3]}, r"texts of \d+ of the 48 sounds that would be tested; score the others with --folds 2"),
        ({}, "48 of the 48 sounds that would be tested; score it on other data"),
    ):
        trained = replace(bundle, recipe=recipe(manifest=f"somewhere/{name}.csv", **data))
        with pytest.raises(UsageError, match=told):
            evaluate(trained, sounds, protocols=[protocol], baselines=False)
    held_out = replace(bundle, recipe=recipe(manifest=name, folds=[1, 3]))
    assert evaluate(held_out, sounds, protocols=[protocol], baselines=False, folds=["2"]).data.folds == ["2"]


@pytest.mark.parametrize("prompt", ["no place", "{} and {}", "{name}", "{"])
def test_a_prompt_has_one_place_for_the_name(tmp_path, prompt):
    text = list_protocols()["zero_shot@1"].read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace('["{}"]', f'["{{}}", "{prompt}"]'))
    with pytest.raises(RecipeError, match="prompts"):
        load_protocol(str(path))


def test_sounds_and_texts_are_never_scaled_apart(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(list_protocols()["zero_shot@1"].read_text().replace("scaler: none", "scaler: standard"))
    with pytest.raises(RecipeError, match="head zero_shot goes with scaler none"):
        load_protocol(str(path))

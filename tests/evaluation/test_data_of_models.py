"""What a model is of decides how data of one's own are read; models of different kinds are not scored together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audiossl.errors import DataError, UsageError
from audiossl.evaluation import evaluate as room
from audiossl.evaluation.evaluate import Subjects, items_of, subjects
from audiossl.evaluation.options import EvaluateOptions
from audiossl.modality import modality_of
from audiossl.recipe.schema import ImageRecipe, Recipe
from tests.data.made import sounds

BUNDLES: dict[str, Any] = {
    name: SimpleNamespace(recipe=recipe, modality=modality_of(recipe))
    for name, recipe in (("s", Recipe()), ("p", ImageRecipe()))
}


@pytest.mark.parametrize(("model", "suffix"), [("s", ".wav"), ("p", ".png")])
def test_of_a_mixed_folder_the_files_that_the_model_is_of_are_taken(tmp_path: Path, model: str, suffix: str):
    sounds(tmp_path, "cat/1.wav", "cat/1.png", "dog/2.wav", "dog/2.png", "dog/3.gif", "dog/4.ogg")
    said = EvaluateOptions(labels_from_folders=True)
    items = items_of(tmp_path, None, said, Subjects([model], [BUNDLES[model]]))
    assert {path.suffix for path in items.paths()} == {suffix, {".wav": ".ogg", ".png": ".gif"}[suffix]}
    assert items.classes == ["cat", "dog"]


@pytest.mark.parametrize(("model", "source"), [("s", "cifar10"), ("p", "esc50")])
def test_a_data_set_of_another_kind_than_the_model_is_refused(tmp_path: Path, model: str, source: str):
    with pytest.raises(DataError, match=f"{source}: holds .* are wanted here"):
        items_of(source, tmp_path, EvaluateOptions(), Subjects([model], [BUNDLES[model]]))


def test_models_of_sounds_and_of_pictures_are_evaluated_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "load_bundle", BUNDLES.__getitem__)
    with pytest.raises(UsageError, match=r"s is of sounds and p is of pictures; evaluate them apart"):
        subjects(["s", "p"])
    assert len(subjects(["s"]).bundles) == 1

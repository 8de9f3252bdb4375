"""Which clips a recipe trains on, and what it asks of them."""

from __future__ import annotations

import pytest

from audiossl.errors import DataError, RecipeError
from audiossl.training.prepare import find_items, paired_texts, resolve_recipe
from audiossl.training.pretrain import pretrain
from tests.training.conftest import tiny_recipe


@pytest.fixture
def table(sounds):
    """The sounds in four folds, of which every other clip has a text."""
    rows = [f"{number:02}.wav,{number % 4 + 1},{'' if number % 2 else f'tone {number}'}" for number in range(24)]
    path = sounds / "table.csv"
    path.write_text("\n".join(["path,fold,text", *rows]))
    return path


def test_a_run_on_some_folds_sees_no_clip_of_the_others(table):
    items = find_items(tiny_recipe(table, data={"folds": [1, 3]}))
    assert set(items.column("fold")) == {1, 3}
    assert len(items) == 12
    with pytest.raises(DataError, match="there is no fold 9; write one of: 1, 2, 3, 4"):
        find_items(tiny_recipe(table, data={"folds": [1, 9]}))


def test_a_text_enters_no_method_that_learns_from_sound_alone(table):
    recipe = tiny_recipe(table)
    assert paired_texts(recipe, find_items(recipe)) is None


CLIP = {"name": "clip", "head": "8", "text_head": "8", "partner": {"name": "text_transformer", "dim": 16, "layers": 1}}


def test_sounds_without_texts_are_refused_before_anything_is_decoded(table, sounds, tmp_path, monkeypatch):
    monkeypatch.setattr("audiossl.training.prepare.open_clips", lambda *_: pytest.fail("decoded"))
    some = tiny_recipe(table, method=CLIP)
    with pytest.raises(RecipeError) as raised:
        pretrain(some, tmp_path / "run")
    told = str(raised.value)
    assert told.startswith(
        "method clip needs a text for every clip, and 12 of 24 clips of table have none (the first: 01"
    )
    assert raised.value.exit_code == 2
    assert not (tmp_path / "run").exists()
    table.unlink()
    none = tiny_recipe(sounds, method=CLIP)
    with pytest.raises(RecipeError, match="24 of 24 clips of sounds have none"):
        resolve_recipe(none, find_items(none))


def test_the_texts_are_part_of_what_a_paired_run_reads(table, tmp_path):
    recipe = tiny_recipe(table, method=CLIP, data={"folds": [1, 3]}, training={"steps": 1})
    items = find_items(recipe)
    assert paired_texts(recipe, items) == [f"tone {number}" for number in range(0, 24, 2)]

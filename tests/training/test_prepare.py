"""Which clips a recipe trains on, and what it asks of them."""

from __future__ import annotations

import pytest

from audiossl.errors import DataError
from audiossl.training.prepare import find_items, paired_texts
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

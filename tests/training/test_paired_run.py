"""A run on sounds and texts: its bundle knows both, it resumes bit for bit, and other texts are other data."""

from __future__ import annotations

import pytest
from safetensors.torch import load_file

from audiossl.bundle.load import load_bundle
from audiossl.errors import UsageError
from audiossl.training.pretrain import pretrain
from tests.training.conftest import tiny_recipe
from tests.training.test_prepare import CLIP
from tests.training.test_pretrain import assert_same_weights, killed_at


@pytest.fixture
def table(sounds):
    """The sounds, each called by one of four names."""
    path = sounds / "named.csv"
    path.write_text(
        "\n".join(["path,text", *(f"{n:02}.wav,{('low', 'high', 'loud', 'soft')[n % 4]}" for n in range(24))])
    )
    return path


def test_a_paired_run_killed_and_resumed_equals_the_whole_one_and_keeps_its_text_side(table, tmp_path, monkeypatch):
    recipe = tiny_recipe(table, method=CLIP)
    pretrain(recipe, tmp_path / "whole")
    killed_at(3, recipe, tmp_path / "parts", monkeypatch)
    result = pretrain(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole/encoder.safetensors", result.bundle)
    assert any(name.startswith("text.partner.") for name in load_file(result.bundle))
    assert load_bundle(result.bundle).embed_text(["low", "high"]).shape == (2, 8)


def test_other_texts_are_another_run(table, tmp_path):
    recipe = tiny_recipe(table, method=CLIP, training={"steps": 1})
    pretrain(recipe, tmp_path / "run")
    table.write_text(table.read_text().replace("loud", "noisy"))
    with pytest.raises(UsageError, match="holds a run on other data"):
        pretrain(recipe, tmp_path / "run")

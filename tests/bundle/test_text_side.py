"""A bundle of sounds and texts holds all that zero-shot needs; other bundles say in words that they know no text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.load import load_bundle
from audiossl.bundle.metadata import KEY
from audiossl.bundle.save import save_bundle, serialise
from audiossl.bundle.text import build_text_side
from audiossl.bundle.untrained import untrained_bundle
from audiossl.errors import CheckpointError, UsageError
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.methods.clip import ClipConfig
from audiossl.recipe.schema import Recipe
from audiossl.recipe.text_encoders import SentenceTransformersConfig, TextTransformerConfig

SMALL = TextTransformerConfig(dim=16, layers=1, heads=2)
METHOD = ClipConfig(partner=SMALL, head="24 bn relu 8", text_head="8")
RECIPE = Recipe(name="paired", encoder=AudioNtt2020Config(dim=32), method=METHOD)
STATISTICS = Statistics(mean=-7.0, std=4.0, items=3)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    made = untrained_bundle(RECIPE, STATISTICS, seed=1)
    torch.manual_seed(2)
    return Bundle(made.recipe, made.frontend, made.encoder, STATISTICS, text=build_text_side(RECIPE, 32))


@pytest.fixture(scope="module")
def content(bundle) -> bytes:
    return serialise(encoder=bundle.encoder, recipe=RECIPE, statistics=STATISTICS, text=bundle.text)


def test_texts_and_sounds_come_back_from_the_file_as_they_were(bundle, tmp_path: Path):
    path = tmp_path / "e.safetensors"
    save_bundle(path, encoder=bundle.encoder, recipe=RECIPE, statistics=STATISTICS, text=bundle.text)
    loaded = load_bundle(path)
    words, sounds = ["dog", "crying baby", "x" * 500], np.random.default_rng(0).normal(size=(4, 32))
    assert np.array_equal(loaded.embed_text(words), bundle.embed_text(words))
    assert np.array_equal(loaded.project(sounds), bundle.project(sounds))
    assert (loaded.text.dim, loaded.text.scale) == (8, pytest.approx(1 / 0.07))
    assert loaded.describe()["text_dim"] == 8
    assert not any(weight.requires_grad for weight in loaded.text.parameters())


def test_both_sides_lie_on_the_unit_sphere_and_no_row_depends_on_the_others(bundle):
    words, sounds = ["dog", "rain"], np.random.default_rng(1).normal(size=(3, 32))
    text, sound = bundle.embed_text(words), bundle.project(sounds)
    assert (text.shape, sound.shape, text.dtype, sound.dtype) == ((2, 8), (3, 8), np.float32, np.float32)
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(sound, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(bundle.embed_text(words[1:])[0], text[1], atol=1e-6)
    np.testing.assert_allclose(bundle.project(sounds[1:2])[0], sound[1], atol=1e-6)


def test_an_encoder_of_sounds_alone_says_so_and_its_file_is_as_before(bundle):
    alone = Bundle(RECIPE, bundle.frontend, bundle.encoder, STATISTICS)
    for ask in (lambda: alone.embed_text(["dog"]), lambda: alone.project(np.zeros((1, 32)))):
        with pytest.raises(UsageError, match=r"recipe paired learnt from sounds alone and knows no text"):
            ask()
    whole = serialise(encoder=bundle.encoder, recipe=Recipe(encoder=RECIPE.encoder), statistics=STATISTICS)
    assert b"text_dim" not in whole
    assert all(name.startswith("encoder.") for name in load(whole))


def test_an_untrained_twin_of_a_paired_recipe_is_an_encoder_without_texts(bundle, tmp_path):
    save_bundle(tmp_path / "e.safetensors", encoder=bundle.encoder, recipe=RECIPE, statistics=STATISTICS)
    assert load_bundle(tmp_path / "e.safetensors").text is None


def changed(content: bytes, metadata: dict[str, object], **tensors: torch.Tensor | None) -> bytes:
    """The file with other metadata and tensors; None leaves a tensor out."""
    size = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][KEY]) | metadata
    weights = {**load(content), **{name.replace("__", "."): weight for name, weight in tensors.items()}}
    kept = {name: weight for name, weight in weights.items() if weight is not None}
    return save(kept, metadata={KEY: json.dumps({name: value for name, value in about.items() if value is not None})})


@pytest.mark.parametrize(
    ("metadata", "tensors", "said"),
    [
        ({}, {"text__log_scale": None}, "tensor text.log_scale is missing"),
        ({}, {"text__partner__norm__weight": torch.zeros(3)}, r"text.partner.norm.weight is float32 \(3,\)"),
        ({}, {"text__log_scale": torch.tensor(torch.nan)}, "text.log_scale holds values that are not finite"),
        ({}, {"text__extra": torch.zeros(1)}, "text.extra is not one"),
        ({"text_dim": 9}, {}, "says 9 dimensions shared with texts, its encoder has 8"),
        ({"text_dim": 0}, {}, "text_dim"),
        ({"text_dim": None}, {}, r"tensor text\..* is not one"),
    ],
)
def test_a_damaged_text_side_is_named(content, tmp_path, metadata, tensors, said):
    path = tmp_path / "e.safetensors"
    path.write_bytes(changed(content, metadata, **tensors))
    with pytest.raises(CheckpointError, match=said):
        load_bundle(path)


def test_a_text_side_in_a_recipe_of_sounds_alone_is_refused(bundle, tmp_path):
    path = tmp_path / "e.safetensors"
    other = Recipe(encoder=RECIPE.encoder)
    path.write_bytes(serialise(encoder=bundle.encoder, recipe=other, statistics=STATISTICS, text=bundle.text))
    with pytest.raises(CheckpointError, match=r"tensor text\..* is not one"):
        load_bundle(path)


def test_a_missing_library_is_told_with_the_file(bundle, content, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    method = METHOD.model_copy(update={"partner": SentenceTransformersConfig()})
    path = tmp_path / "e.safetensors"
    recipe = RECIPE.model_copy(update={"method": method}).model_dump(mode="json")
    path.write_bytes(changed(content, {"recipe": recipe}))
    with pytest.raises(CheckpointError, match=r"e\.safetensors: .*sentence-transformers is not installed"):
        load_bundle(path)

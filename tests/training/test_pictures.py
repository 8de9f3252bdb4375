"""A run on pictures goes through the same rooms as one on sounds: what it stores, measures and resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from audiossl.bundle.load import load_bundle
from audiossl.errors import RecipeError
from audiossl.image.synth import make_image
from audiossl.progress import Silent
from audiossl.recipe.schema import ImageRecipe
from audiossl.training.clips import measure_statistics
from audiossl.training.prepare import find_items, prepare
from audiossl.training.pretrain import pretrain

SIDE, COUNT = 16, 24


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(COUNT):
        pixels = make_image(number, 0).pixels.transpose(1, 2, 0)
        PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number:02}.png")
    return folder


def tiny(folder: Path, **changes) -> ImageRecipe:
    told = {
        "name": "tiny",
        "data": {"manifest": str(folder)},
        "frontend": {"side": SIDE},
        "encoder": {"name": "resnet18", "stem": "3x3/2", "width": 8},
        "method": {"name": "simclr", "head": "16 bn relu 8"},
        "training": {"batch_size": 8, "epochs": None, "steps": 4, "threads": 1, "checkpoint_every_steps": 1},
        "monitors": {"k": 3},
    }
    for section, values in changes.items():
        told[section] = {**told.get(section, {}), **values}
    return ImageRecipe.model_validate(told)


@pytest.mark.parametrize("cache", ["on", "off"])
def test_a_batch_holds_the_pixels_that_the_front_end_prepared(pictures, cache):
    prepared = prepare(tiny(pictures, data={"cache": cache}), Silent())
    (path,) = [path for path in prepared.items.paths() if path.name == "05.png"]
    index = prepared.items.paths().index(path)
    wanted = prepared.frontend.prepare(np.asarray(PIL.Image.open(path)).transpose(2, 0, 1))
    stored = prepared.source.read(index, 0, prepared.source.length(index))
    assert stored.dtype == np.uint8 and np.array_equal(stored, wanted)
    assert prepared.plan.starts(0, index, len(stored)) == [0, 0]


def test_statistics_are_those_of_each_channel_over_all_pixels(pictures):
    prepared = prepare(tiny(pictures), Silent())
    measured = measure_statistics(prepared.source, prepared.plan.indices, prepared.recipe, prepared.frontend)
    rows = [prepared.source.read(index, 0, 3 * SIDE**2) for index in range(COUNT)]
    x_C = (np.stack(rows) / 255).reshape(COUNT, 3, -1).transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(measured.mean, x_C.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(measured.std, x_C.std(axis=1), rtol=1e-6)
    x_BCHW = prepared.frontend(torch.from_numpy(np.stack(rows)))
    normalised = measured.normalise(x_BCHW)
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_a_broken_picture_is_listed_and_the_others_are_trained_on(pictures, tmp_path):
    (pictures / "cut.png").write_bytes((pictures / "00.png").read_bytes()[:200])
    (pictures / "text.jpg").write_text("not a picture")
    result = pretrain(tiny(pictures), tmp_path / "run")
    assert {Path(failure.path).name: failure.cause.split(" (")[0] for failure in result.failures} == {
        "cut.png": "is truncated",
        "text.jpg": "is not a picture of a known format",
    }
    assert load_bundle(tmp_path / "run").recipe.modality == "image"


def test_a_bundle_makes_its_input_as_training_did_and_takes_pillows_images(pictures, tmp_path):
    pretrain(tiny(pictures), tmp_path / "run")
    bundle = load_bundle(tmp_path / "run")
    image = PIL.Image.open(pictures / "03.png")
    pixels = np.asarray(image).transpose(2, 0, 1)
    stored = torch.from_numpy(bundle.frontend.prepare(pixels))[None]
    by_hand = bundle.encoder(bundle.statistics.normalise(stored.view(1, 3, SIDE, SIDE) / 255))
    np.testing.assert_allclose(bundle.embed(image), by_hand[0].numpy(), atol=1e-5)
    np.testing.assert_array_equal(bundle.embed(image), bundle.embed(pixels))


def test_a_limited_run_trains_on_drawn_pictures_alone_and_the_seed_draws_them(pictures):
    drawn = [find_items(tiny(pictures, data={"limit": 10})).column("id") for _ in range(2)]
    assert len(drawn[0]) == 10 and drawn[0] == drawn[1]
    other = find_items(tiny(pictures, data={"limit": 10}).model_copy(update={"seed": 1})).column("id")
    assert other != drawn[0]
    assert len(find_items(tiny(pictures, data={"limit": 1000}))) == COUNT


def test_views_that_change_nothing_are_refused(pictures, tmp_path):
    same = tiny(pictures).model_copy(update={"views": {"image": [{"name": "normalise"}]}})
    recipe = ImageRecipe.model_validate(same.model_dump(warnings=False))
    with pytest.raises(RecipeError, match=r"all views of a picture are identical: .* add one to views\.image"):
        pretrain(recipe, tmp_path / "run")

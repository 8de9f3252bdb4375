"""What a recipe may say of pictures, and what is refused with a sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from audiossl.errors import RecipeError
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.image_views import SIMCLR_CIFAR10, SIMCLR_IMAGENET, ImageViewsConfig
from audiossl.recipe.load import load_recipe


def test_the_published_settings_of_simclr() -> None:
    crop, flip, jitter, grey, _ = SIMCLR_CIFAR10.model_dump()["image"]
    assert (crop["scale"], crop["ratio"]) == ((0.08, 1.0), (3 / 4, 4 / 3))
    assert (flip["p"], grey["p"], jitter["p"]) == (0.5, 0.2, 0.8)
    assert [jitter[name] for name in ("brightness", "contrast", "saturation", "hue")] == [0.4, 0.4, 0.4, 0.1]
    _, _, jitter, _, blur, _ = SIMCLR_IMAGENET.model_dump()["image"]
    assert [jitter[name] for name in ("brightness", "contrast", "saturation", "hue")] == [0.8, 0.8, 0.8, 0.2]
    assert (blur["p"], blur["kernel"], blur["sigma"]) == (0.5, 0.1, (0.1, 2.0))
    assert PixelsConfig().side == 32


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        ([], "has 0 views named normalise"),
        ([{"name": "normalise"}, {"name": "normalise"}], "has 2 views named normalise"),
        ([{"name": "normalise"}, {"name": "solarise"}], "write normalise last"),
        ([{"name": "random_resized_crop", "scale": [1, 0.08]}, {"name": "normalise"}], "runs downwards"),
        ([{"name": "random_resized_crop", "p": 0.5}, {"name": "normalise"}], "Extra inputs are not permitted"),
        ([{"name": "colour_jitter", "hue": 0.6}, {"name": "normalise"}], "less than or equal to 0.5"),
        ([{"name": "color_jitter"}, {"name": "normalise"}], "colour_jitter"),
        ([{"name": "blur", "sigma": [0, 2]}, {"name": "normalise"}], "greater than 0"),
        ([{"name": "blur", "p": [1.0, 1.5]}, {"name": "normalise"}], "less than or equal to 1"),
        ([{"name": "blur", "p": []}, {"name": "normalise"}], "at least 1 item"),
    ],
)
def test_chains_that_cannot_be_meant_are_refused(chain: list[object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ImageViewsConfig.model_validate({"image": chain})


def test_movements_may_follow_the_normalisation() -> None:
    chain = [{"name": "normalise"}, {"name": "horizontal_flip"}, {"name": "random_resized_crop"}]
    assert len(ImageViewsConfig.model_validate({"image": chain}).image) == 3


def test_byol_s_two_views_are_said_by_a_probability_for_each() -> None:
    views = load_recipe("image/imagenette160_byol").views
    *_, blur, solarise, _ = views.image
    assert (blur.p, solarise.p) == ((1.0, 0.1), (0.0, 0.2))


def test_a_probability_that_is_none_is_told_with_both_forms() -> None:
    with pytest.raises(RecipeError, match=r"p=2: must be at most 1 or a list, not 2"):
        load_recipe("image/cifar10_simclr", ["views.image.3.p=2"])
    with pytest.raises(RecipeError, match=r"p=\[0, 2\]: .*must be at most 1, not 2"):
        load_recipe("image/cifar10_simclr", ["views.image.3.p=[0, 2]"])


def test_the_language_of_pictures_imports_neither_torch_nor_pillow() -> None:
    code = "import sys, audiossl.recipe.image_views; assert not {'torch', 'PIL', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

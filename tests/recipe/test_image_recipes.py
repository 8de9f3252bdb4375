"""The recipes for pictures: the settings of published benchmarks, number by number, and each of them trains.

What is published is written out here: a default that moves must not move a benchmark.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from audiossl.image.synth import make_image
from audiossl.recipe.auto import Facts, resolve
from audiossl.recipe.load import list_recipes, load_recipe
from audiossl.recipe.schema import ImageRecipe, Recipe
from audiossl.training.pretrain import pretrain

SHIPPED = [one for one in list_recipes() if one.name.startswith("image/")]
BENCHMARKS = [one.name for one in SHIPPED if "small" not in one.name]

PUBLISHED = {
    "cifar10_simclr": {
        "optimiser.lr": 0.24,
        "optimiser.momentum": 0.9,
        "optimiser.weight_decay": 5e-4,
        "optimiser.decay_all": True,
        "method.temperature": 0.5,
        "method.head": "512 bn relu 128",
        "views.image.0.scale": (0.08, 1.0),
        "views.image.2.hue": 0.1,
        "views.image.2.brightness": 0.4,
    },
    "cifar10_moco": {
        "optimiser.lr": 0.24,
        "method.temperature": 0.1,
        "method.queue": 8192,
        "method.momentum": 0.99,
        "method.symmetric": True,
        "method.head": "512 relu 128",
    },
    # The benchmark's loss is a quarter of this one.
    "cifar10_byol": {
        "optimiser.lr": 0.24 / 4,
        "optimiser.weight_decay": 4 * 5e-4,
        "method.momentum": 0.99,
        "method.momentum_final": 0.99,
        "method.head": "1024 bn relu 256",
        "method.predictor": "1024 bn relu 256",
        "views.image.2.saturation": 0.2,
        "views.image.4.p": (0.0, 0.2),
    },
    "cifar10_barlow": {
        "optimiser.lr": 0.24,
        "optimiser.weight_decay": 5e-4,
        "method.off_diagonal_weight": 0.005,
        "method.head": "2048 bn relu 2048",
        "views.image.4.p": (0.0, 0.2),
    },
    "cifar10_simsiam": {
        "optimiser.lr": 0.06,
        "method.predictor": "512 bn relu 2048",
        "views.image.0.scale": (0.2, 1.0),
    },
    "cifar10_swav": {
        "optimiser.name": "adamw",
        "optimiser.lr": 4e-3,
        "optimiser.weight_decay": 1e-6,
        "method.prototypes": 512,
        "method.short_crops": 0,
        "method.temperature": 0.1,
        "method.epsilon": 0.05,
        "method.iterations": 3,
        "views.image.0.scale": (0.14, 1.0),
    },
    "cifar10_swav_multicrop": {"method.short_crops": 6, "views.short_scale": (0.05, 0.14)},
    "cifar10_moco_v3": {
        "optimiser.lr": 0.3 * 512 / 256,
        "optimiser.weight_decay": 1e-6,
        "method.temperature": 0.2,
        "method.momentum": 0.99,
        "method.momentum_final": 1.0,
    },
    "cifar10_vicreg": {"method.invariance": 25, "method.variance": 25, "method.covariance": 1, "optimiser.lr": 0.4},
    "cifar10_deepcluster_v2": {"method.clusters": 3000, "method.heads": 3, "method.temperature": 0.1},
    "cifar10_npid": {"method.temperature": 0.1, "method.momentum": 0.5, "optimiser.lr": 0.03},
    "cifar10_rotation": {"optimiser.lr": 0.1, "schedule.gamma": 0.2, "schedule.milestones": [30, 60, 80]},
    "cifar10_jigsaw": {"method.grid": (3, 3), "method.permutations": 1000, "views.image.1.p": 0.3},
    "cifar10_cpc": {"method.steps": 5, "optimiser.lr": 2e-4, "encoder.side": 8, "encoder.stride": 4},
    "cifar10_ss_gan": {"method.transforms": "rotations", "method.beta": 1, "method.alpha": 0.2},
    "imagenette160_simclr": {"optimiser.lr": 0.12, "training.batch_size": 256, "views.image.4.p": 0.5},
    "imagenette160_byol": {"views.image.4.p": (1.0, 0.1), "views.image.5.p": (0.0, 0.2)},
    "imagenette160_swav": {"method.prototypes": 3000, "method.short_crops": 6, "optimiser.lr": 2e-3},
}
EPOCHS = {"cifar10_rotation": 100, "cifar10_transforms": 100, "cifar10_clip": 50}
"""Others train for 200 on CIFAR-10 and 800 on Imagenette."""


def at(recipe: Recipe, path: str) -> object:
    value: object = recipe
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else getattr(value, key)
    return value


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_has_the_published_settings(name: str) -> None:
    recipe = load_recipe(f"image/{name}")
    assert {path: at(recipe, path) for path in PUBLISHED[name]} == PUBLISHED[name]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_recipe_is_of_the_benchmarks_length_and_encoder_and_leaves_nothing_to_resolve(name: str) -> None:
    recipe, short = load_recipe(name), name.removeprefix("image/")
    imagenette = "imagenette" in name
    assert recipe.training.epochs == EPOCHS.get(short, 800 if imagenette else 200)
    assert recipe.data.splits == ["train"]
    if "cpc" not in name:
        assert recipe.encoder.model_dump() == {
            "name": "resnet18",
            "stem": "7x7" if imagenette else "3x3",
            "width": 64,
        }
    facts = Facts(items=9469 if imagenette else 50_000, decoded_bytes=10**8, cores=16, device="cuda", bf16=True)
    resolved, _ = resolve(recipe, facts)
    assert isinstance(resolved, ImageRecipe)
    assert resolved.method == recipe.method


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: one.name)
def test_a_recipe_says_what_to_expect_of_it(shipped) -> None:
    comment = "".join(line for line in shipped.path.read_text().splitlines(keepends=True) if line.startswith("#"))
    assert re.search(r"\d\d\.\d %|No published figure|small", comment.replace("\n# ", " "))


FEWER = {
    "moco": ["queue=8"],
    "swav": ["prototypes=4"],
    "deepcluster_v2": ["clusters=4"],
    "sela": ["clusters=4"],
    "vicreg": ["head=16 bn relu 16"],
    "jigsaw": ["permutations=24", "hidden=32 relu"],
    "clip": ["partner.dim=16", "partner.layers=1"],
    "moco_v3": ["head=32 bn relu 8 bn_plain", "predictor=32 bn relu 8"],
    "simsiam": ["head=32 bn relu 16 bn", "predictor=8 bn relu 16"],
}
"""Of what counts clips or is large."""
SIDE, COUNT = 16, 24


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two dozen pictures, each with a text."""
    folder = tmp_path_factory.mktemp("pictures")
    rows = ["path,text"]
    for number in range(COUNT):
        pixels = make_image(number, 0).pixels.transpose(1, 2, 0)
        PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number:02}.png")
        rows.append(f"{number:02}.png,{('round', 'square', 'striped')[number % 3]}")
    (folder / "table.csv").write_text("\n".join(rows))
    return folder / "table.csv"


@pytest.mark.parametrize("name", [one.name for one in SHIPPED])
def test_a_recipe_trains(name: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    recipe = load_recipe(name)
    encoder = "{side: 4, stride: 2, channels: [8]}" if "cpc" in name else "{stem: 3x3/2, width: 8}"
    told = [f"method.{one}" for one in FEWER.get(recipe.method.name, [])]
    if "imagenette" in name:
        told.append(f"views.image.0.side={SIDE // 2}")
    tiny = load_recipe(
        name,
        [
            *(f"data.manifest={pictures}", "data.splits=null", "data.limit=null", f"frontend.side={SIDE}"),
            *(f"encoder={encoder}", "training={batch_size: 8, steps: 2, threads: 1, precision: 32, accelerator: cpu}"),
            *("monitors={every_epochs: 10, k: 3}", *told),
        ],
    )
    result = pretrain(tiny, tmp_path / "run")
    assert result.steps == 2
    assert result.bundle is not None

"""Made-up embeddings and items for the tests of this room."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import soundfile as sf

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.items import Item, Items
from audiossl.modality import MODALITIES
from audiossl.recipe.encoders import AudioNtt2020Config
from audiossl.recipe.image_encoders import ImageResNet18Config
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.schema import ImageRecipe, Recipe

WINGS = tuple(MODALITIES)
"""What a promise that holds for sounds and pictures alike is parametrised by."""
RECIPES = {
    "audio": Recipe(encoder=AudioNtt2020Config(dim=16)),
    "image": ImageRecipe(frontend=PixelsConfig(side=16), encoder=ImageResNet18Config(width=8)),
}
STATISTICS = {"audio": Statistics(-8.0, 4.0, 10), "image": Statistics((0.5, 0.5, 0.4), (0.3, 0.2, 0.3), 10)}


def tiny_bundle(wing: str, seed: int = 5) -> Bundle:
    """An untrained encoder of a few channels."""
    return untrained_bundle(RECIPES[wing], STATISTICS[wing], seed)


def saved(bundle: Bundle, path: Path) -> Path:
    """The bundle as a file that says of three steps of training."""
    made = {"encoder": bundle.encoder, "recipe": bundle.recipe, "statistics": bundle.statistics}
    save_bundle(path, **made, training={"steps": 3}, data={})
    return path


def cut_file(wing: str, path: Path) -> None:
    """Write a file that ends too early, and nothing of which may be believed."""
    if wing == "audio":
        path.write_bytes(b"RIFF, but not much more")
        return
    whole = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(256, size=(48, 48, 3), dtype=np.uint8)).save(whole, "JPEG")
    path.write_bytes(whole.getvalue()[:-500])


def other_bytes(wing: str, one: Path, other: Path) -> None:
    """The same samples or pixels in a file of other bytes and another size."""
    if wing == "audio":
        samples, rate = sf.read(one, dtype="int16")
        sf.write(other, samples, rate, subtype="PCM_24", format="WAV")
        return
    with PIL.Image.open(one) as picture:
        picture.save(other, "BMP")


def made_set(wing: str, folder: Path, n: int = 48) -> Path:
    """The table of made-up sounds or pictures of twelve classes, with folds and groups."""
    return MODALITIES[wing].make_set(folder, n, 0)


def items_of(labels, folds=None, groups=None, splits=None, crossing=0):
    rows = [
        Item(
            id=f"clip{i}",
            path=f"clip{i}.wav",
            labels=[] if label is None else [str(label)],
            fold=None if folds is None else int(folds[i]),
            group=None if groups is None else str(groups[i]),
            split=None if splits is None else splits[i],
        )
        for i, label in enumerate(labels)
    ]
    return Items.from_rows(rows, Path("sounds"), name="made", crossing_groups=crossing)


def blobs(n=120, classes=4, dim=12, folds=4, spread=1.6, seed=0):
    """Overlapping Gaussian classes: (features, labels, folds)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = rng.normal(size=(classes, dim))
    return centres[labels] + spread * rng.normal(size=(n, dim)), labels, (np.arange(n) // classes) % folds + 1

"""Pictures that cannot be read and pictures that are odd, and the cheapest encoder of pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image

from audiossl.bundle.bundle import Bundle, Statistics
from audiossl.bundle.untrained import untrained_bundle
from audiossl.recipe.image_encoders import ImageResNet18Config
from audiossl.recipe.image_frontend import PixelsConfig
from audiossl.recipe.schema import ImageRecipe
from tests.image.made import cut, png, save, scene, with_orientation


def tiny_picture_bundle() -> Bundle:
    recipe = ImageRecipe(name="tiny", frontend=PixelsConfig(side=16), encoder=ImageResNet18Config(width=8))
    return untrained_bundle(recipe, Statistics((0.5, 0.4, 0.3), (0.2, 0.2, 0.3)), seed=1)


def broken(folder: Path) -> dict[str, str]:
    """Files that cannot be read, beside one that can; the cause by name."""
    folder.mkdir(exist_ok=True)
    save(folder / "good.png", scene())
    (folder / "empty.jpg").touch()
    (folder / "notes.png").write_text("Dear diary, today I saw a bird.")
    (folder / "bomb.png").write_bytes(png(20_000, 20_000))
    cut(save(folder / "half.jpg", scene(200, 300))).replace(folder / "half.jpg")
    os.mkfifo(folder / "pipe.gif")
    (folder / "loop.bmp").symlink_to(folder / "loop.bmp")
    (folder / "gone.webp").symlink_to(folder / "nowhere")
    return {
        "empty.jpg": "is empty (0 bytes)",
        "notes.png": "is not a picture of a known format",
        "bomb.png": "more than the 120,000,000 pixels allowed",
        "half.jpg": "is truncated",
        "pipe.gif": "is a FIFO, not a picture",
        "loop.bmp": "cannot be opened",
        "gone.webp": "does not exist",
    }


def odd(folder: Path) -> list[str]:
    """Files that are read although they are nothing usual; their names."""
    folder.mkdir(exist_ok=True)
    for name, mode in (("cmyk.jpg", "CMYK"), ("palette.png", "P"), ("bits.png", "1"), ("alpha.png", "RGBA")):
        save(folder / name, PIL.Image.fromarray(scene()).convert(mode))
    save(folder / "deep.png", np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    save(folder / "dot.png", scene(1, 1))
    save(folder / "turned.jpg", scene(30, 44), exif=with_orientation(8))
    return sorted(path.name for path in folder.iterdir())

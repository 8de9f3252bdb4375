"""The made-up pictures are sound, and told apart by what they show (what both wings promise: tests/test_synth.py)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from audiossl.image.decode import decode, probe
from audiossl.image.synth import LABELS, OUTLINES, SIDES, TEXTURES, make_image, make_images


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("synth"), 120, 0).parent


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_stored_is_the_picture(made: Path):
    image = make_image(17, 0)
    np.testing.assert_array_equal(decode(made / image.row.file_name).pixels, image.pixels)


def test_every_picture_is_sound(made: Path):
    for row in table(made):
        info, image = probe(made / row["file_name"]), decode(made / row["file_name"])
        assert (info.mode, info.format) == ("RGB", "PNG")
        assert SIDES[0] <= min(info.width, info.height) and max(info.width, info.height) <= SIDES[1]
        assert image.pixels.std() > 8 and not image.plain


def test_the_mean_colour_tells_nothing_of_shape_and_texture():
    means = [
        np.stack([make_image(n, 4).pixels.mean((1, 2)) for n in range(LABELS.index(label), 240, len(LABELS))])
        for label in (*OUTLINES, *TEXTURES)
    ]
    within = np.mean([mean.std(0) for mean in means])
    between = np.std([mean.mean(0) for mean in means], axis=0).mean()
    assert between < 0.5 * within


def test_warm_things_are_redder_than_cold_ones():
    def redness(label: str) -> float:
        pictures = [make_image(n, 0).pixels.astype(float) for n in range(LABELS.index(label), 240, len(LABELS))]
        return float(np.mean([(picture[0] - picture[2]).mean() for picture in pictures]))

    assert redness("warm") > redness("cold") + 20

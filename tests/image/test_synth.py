"""The made-up pictures are the same for everyone, balanced, and told apart by what they show alone."""

from __future__ import annotations

import csv
import time
from collections import Counter
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


def test_same_seed_same_bytes_other_seed_other_bytes(made: Path, tmp_path: Path):
    again = make_images(tmp_path / "a", 15, 0).parent
    other = make_images(tmp_path / "b", 15, 1).parent
    for row in table(again):
        name = row["file_name"]
        assert (again / name).read_bytes() == (made / name).read_bytes()
        assert (again / name).read_bytes() != (other / name).read_bytes()


def test_a_picture_does_not_depend_on_how_many_are_made(made: Path):
    image = make_image(17, 0)
    np.testing.assert_array_equal(decode(made / image.name).pixels, image.pixels)


def test_classes_and_folds_are_balanced_and_groups_stay_in_a_fold(made: Path):
    rows = table(made)
    assert set(Counter((row["label"], row["fold"]) for row in rows).values()) == {2}
    assert {row["label"] for row in rows} == set(LABELS)
    assert len(LABELS) >= 10
    folds_of_group = {(row["group"], row["fold"]) for row in rows}
    assert len(folds_of_group) == len({group for group, _ in folds_of_group}) == 60


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


def test_two_hundred_pictures_take_less_than_five_seconds():
    start = time.process_time()
    for index in range(20):
        make_image(index, 3)
    assert time.process_time() - start < 0.5


def test_the_table_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(index: int, seed: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("audiossl.image.synth.make_image", fails)
    with pytest.raises(KeyboardInterrupt):
        make_images(tmp_path, 5, 0)
    assert not (tmp_path / "metadata.csv").exists()

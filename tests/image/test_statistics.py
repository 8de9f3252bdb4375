"""Plain features of pictures: against slow loops, torch, and pictures whose histograms are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.bundle.baseline import Baseline
from audiossl.embedding.extractor import make_extractor
from audiossl.embedding.options import EmbedOptions
from audiossl.errors import UsageError
from audiossl.evaluation.baselines import plain_features
from audiossl.image.statistics import PLAIN, SETTINGS, SIDE, gradient_histograms, thumbnail
from audiossl.image.synth import make_images
from audiossl.modality import IMAGE
from audiossl.progress import Silent
from audiossl_cli.app import run


def noise(count: int, side: int = SIDE):
    return np.random.default_rng(0).random((count, 3, side, side), dtype=np.float32)


def slow_histograms(x_CHW, cell, bins, clip):
    """Pixel by pixel, cell by cell."""
    _, height, width = x_CHW.shape
    cells = np.zeros((bins, height // cell, width // cell))
    for i in range(height):
        for j in range(width):
            steepest = (0.0, 0.0, 0.0)
            for channel in x_CHW.astype(float):
                down = channel[min(i + 1, height - 1), j] - channel[max(i - 1, 0), j]
                across = channel[i, min(j + 1, width - 1)] - channel[i, max(j - 1, 0)]
                steepest = max(steepest, (np.hypot(down, across), down, across))
            size, down, across = steepest
            place = (np.degrees(np.arctan2(down, across)) % 180) / (180 / bins)
            lower = int(place)
            cells[lower % bins, i // cell, j // cell] += size * (1 - (place - lower))
            cells[(lower + 1) % bins, i // cell, j // cell] += size * (place - lower)
    rows, columns = cells.shape[1:]
    out = np.zeros_like(cells)
    for i in range(rows):
        for j in range(columns):
            for up in (-1, 0):
                for left in (-1, 0):
                    square = [(i + up + a, j + left + b) for a in (0, 1) for b in (0, 1)]
                    inside = [(min(max(a, 0), rows - 1), min(max(b, 0), columns - 1)) for a, b in square]
                    energy = sum((cells[:, a, b] ** 2).sum() for a, b in inside)
                    out[:, i, j] += np.minimum(cells[:, i, j] / np.sqrt(energy + 1e-3), clip) / 4
    return out.reshape(-1)


@pytest.mark.parametrize(("cell", "bins"), [(4, 9), (8, 6)])
def test_histograms_of_gradients_equal_a_slow_loop(cell, bins):
    x_BCHW = noise(3, 16)
    wanted = [slow_histograms(picture, cell, bins, 0.2) for picture in x_BCHW]
    np.testing.assert_allclose(gradient_histograms(x_BCHW, cell=cell, bins=bins, clip=0.2), wanted, atol=2e-5)


def test_a_slope_is_in_its_own_bin_whatever_the_channel_and_the_light():
    slope = np.broadcast_to(np.linspace(0, 1, 32, dtype=np.float32), (32, 32))  # brighter to the right: angle 0
    for channel in range(3):
        x_BCHW = np.full((1, 3, 32, 32), 0.3, np.float32)
        x_BCHW[:, channel] = slope
        histograms = gradient_histograms(x_BCHW, **SETTINGS["hog"]).reshape(9, 8, 8)
        assert (histograms[0] > 0.19).all() and not histograms[1:].any()
        turned = gradient_histograms(x_BCHW.swapaxes(2, 3), **SETTINGS["hog"]).reshape(9, 8, 8)
        np.testing.assert_allclose(turned[4:6].sum(0), 2 * np.minimum(turned[4], 0.2), rtol=1e-3)  # half a turn of 9
        assert not turned[[0, 1, 2, 3, 6, 7, 8]].round(5).any()
    lighter = gradient_histograms(0.5 * noise(2) + 0.4, **SETTINGS["hog"])
    np.testing.assert_allclose(lighter, gradient_histograms(noise(2), **SETTINGS["hog"]), atol=0.01)
    assert not gradient_histograms(np.full((1, 3, 32, 32), 0.5, np.float32), **SETTINGS["hog"]).any()


def test_a_thumbnail_is_the_mean_over_squares_of_pixels():
    x_BCHW = noise(2)
    wanted = torch.nn.functional.avg_pool2d(torch.from_numpy(x_BCHW), 2).flatten(1).numpy()
    np.testing.assert_allclose(thumbnail(x_BCHW, side=16), wanted, atol=1e-6)


def test_features_of_a_batch_are_those_of_each_picture():
    x_BS = (255 * noise(5)).astype(np.uint8).reshape(5, -1)
    for plain in PLAIN:
        alone = np.concatenate([plain.features(x_BS[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(plain.features(x_BS), alone, atol=1e-6)


@pytest.mark.parametrize(("name", "dim"), [("pixels", 768), ("hog", 576)])
def test_they_are_embedded_as_the_evaluation_has_them(tmp_path, name, dim, capsys):
    from audiossl.data.manifest import load_items
    from audiossl.embeddings import open as open_embeddings

    items = load_items(make_images(tmp_path / "pictures", 4, seed=0))
    assert run(["embed", name, str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    view = open_embeddings(tmp_path / "out")
    rows = dict(zip(view.table(["path"])["path"].to_pylist(), view.numpy(), strict=True))
    wanted = plain_features(IMAGE, items, Silent())[name]
    assert wanted.shape == (4, dim) and len(rows) == 4
    for path, values in zip(items.column("path"), wanted, strict=True):
        (found,) = [row for other, row in rows.items() if other.endswith(path)]
        np.testing.assert_allclose(found, values, atol=1e-6)


@pytest.mark.parametrize(
    ("told", "what"), [({"pool": "mean"}, "--pool"), ({"window_s": 1.0}, "--window-s"), ({"layer": "a"}, "--layer")]
)
def test_what_pictures_have_not_is_refused(told, what):
    with pytest.raises(UsageError, match=f"leave {what}.* out"):
        make_extractor(Baseline("hog"), EmbedOptions(**told))

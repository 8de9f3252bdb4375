from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate, pad

from audiossl.audio.views.crop import CanvasCrop, RandomResizedCrop
from audiossl.recipe.spectrogram_views import CanvasCropConfig, RandomResizedCropConfig
from tests.draws import draws


@pytest.mark.parametrize(("bands", "frames"), [(12, 17), (1, 5), (6, 1)])
def test_resized_crop_equals_interpolate_on_each_box(bands: int, frames: int) -> None:
    crop = RandomResizedCrop(RandomResizedCropConfig(scale=(0.05, 1.0), ratio=(0.3, 3.0)))
    x = torch.randn(32, 1, bands, frames)
    box = crop.draw(x, draws())["box"]
    found = crop.apply(x, box=box)
    for n, (band, height, frame, width) in enumerate(box.tolist()):
        part = x[n : n + 1, :, band : band + height, frame : frame + width]
        expected = interpolate(part, (bands, frames), mode="bilinear", align_corners=False)
        torch.testing.assert_close(found[n : n + 1], expected, rtol=0, atol=1e-5)


def test_boxes_are_distributed_as_torchvisions() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    bands, frames, count = 30, 40, 3000
    config = RandomResizedCropConfig(scale=(0.3, 1.0), ratio=(0.5, 2.0))
    ours = RandomResizedCrop(config).draw(torch.empty(count, 1, bands, frames), draws())["box"].double()
    image = torch.empty(1, frames, bands)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [transforms.RandomResizedCrop.get_params(image, config.scale, config.ratio) for _ in range(count)]
    frame, band, width, height = torch.tensor(theirs, dtype=torch.float64).T
    for mine, other in zip(ours.T, (band, height, frame, width), strict=True):
        error = (mine.var() / count + other.var() / count).sqrt()
        assert (mine.mean() - other.mean()).abs() < 4 * error
        assert mine.std() / other.std() == pytest.approx(1, abs=0.06)


def test_areas_fill_the_range_evenly() -> None:
    crop = RandomResizedCrop(RandomResizedCropConfig(scale=(0.2, 0.6), ratio=(1.0, 1.0)))
    _, height, _, width = crop.draw(torch.empty(4000, 1, 300, 300), draws())["box"].T
    area = (height * width) / 300**2
    quantiles = torch.quantile(area, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(quantiles, torch.tensor([0.2, 0.3, 0.4, 0.5, 0.6]), rtol=0, atol=0.015)


def test_starts_reach_both_ends() -> None:
    crop = RandomResizedCrop(RandomResizedCropConfig(scale=(0.8, 0.8), ratio=(1.0, 1.0)))
    band, height, _, _ = crop.draw(torch.empty(500, 1, 10, 10), draws())["box"].T
    assert set(height.tolist()) == {9}
    assert set(band.tolist()) == {0, 1}


@pytest.mark.parametrize(("bands", "frames", "box"), [(4, 64, [0, 4, 29, 5]), (64, 4, [29, 5, 0, 4])])
def test_where_no_box_fits_the_largest_of_the_ratio_is_taken_from_the_middle(
    bands: int, frames: int, box: list[int]
) -> None:
    crop = RandomResizedCrop(RandomResizedCropConfig(scale=(0.9, 1.0)))
    assert crop.draw(torch.empty(3, 1, bands, frames), draws())["box"].tolist() == [box] * 3


@pytest.mark.parametrize(("bands", "frames"), [(12, 18), (3, 2), (1, 1)])
def test_canvas_crop_equals_bicubic_interpolate_on_each_box(bands: int, frames: int) -> None:
    crop = CanvasCrop(CanvasCropConfig())
    x = torch.randn(32, 1, bands, frames)
    box = crop.draw(x, draws())["box"]
    found = crop.apply(x, box=box)
    canvas_frames = int(1.5 * frames)
    before = (canvas_frames - frames) // 2
    canvas = pad(x, (before, canvas_frames - frames - before))
    for n, (band, height, frame, width) in enumerate(box.tolist()):
        part = canvas[n : n + 1, :, band : band + height, frame : frame + width]
        expected = interpolate(part, (bands, frames), mode="bicubic", align_corners=True)
        torch.testing.assert_close(found[n : n + 1], expected, rtol=0, atol=3e-6)


def test_canvas_boxes_stay_within_the_canvas_and_reach_its_limits() -> None:
    band, height, frame, width = CanvasCrop(CanvasCropConfig()).draw(torch.empty(4000, 1, 20, 30), draws())["box"].T
    assert (height.min(), height.max()) == (12, 20)
    assert (width.min(), width.max()) == (18, 44)
    assert band.min() == 0 and (band + height).max() == 20
    assert frame.min() == 0 and (frame + width).max() == 45
    # Heights drawn above the whole count as the whole: (1.5 - 1) / (1.5 - 0.6) of them.
    assert (height == 20).float().mean() == pytest.approx(0.5 / 0.9, abs=0.03)

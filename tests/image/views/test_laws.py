"""The drawn parameters follow the papers' laws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from audiossl.errors import RecipeError
from audiossl.image.views.blur import Blur
from audiossl.image.views.colour import ColourJitter
from audiossl.image.views.crop import ResizedCrop, resize_matrix
from audiossl.image.views.geometry import QuarterTurns
from audiossl.recipe.image_views import BlurConfig, ColourJitterConfig, QuarterTurnsConfig, ResizedCropConfig
from tests.draws import draws

QUARTERS = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])


def batch(count: int, *size: int) -> Tensor:
    return torch.empty(count, 3, *size)


def even(values: Tensor, low: float, high: float, atol: float) -> None:
    """Spread evenly from `low` to `high`."""
    torch.testing.assert_close(torch.quantile(values, QUARTERS), low + (high - low) * QUARTERS, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("size", "scale", "ratio"), [((32, 32), (0.08, 1), (3 / 4, 4 / 3)), ((20, 50), (0.5, 1), (2, 3))]
)
def test_boxes_are_distributed_as_torchvisions(
    size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    count = 1500
    box = ResizedCrop(ResizedCropConfig(scale=scale, ratio=ratio)).draw(batch(count, *size), draws())["box"].double()
    theirs = v2.RandomResizedCrop(8, scale, ratio)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = [theirs.make_params([torch.empty(3, *size)]) for _ in range(count)]
    for mine, name in zip(box.T, ("top", "height", "left", "width"), strict=True):
        other = torch.tensor([params[name] for params in drawn], dtype=torch.float64)
        error = (mine.var() / count + other.var() / count).sqrt()
        assert (mine.mean() - other.mean()).abs() < 4 * error
        assert mine.std() / other.std() == pytest.approx(1, abs=0.06)


def test_the_ratio_is_width_over_height() -> None:
    config = ResizedCropConfig(scale=(0.2, 0.2), ratio=(2, 2))
    _, rows, _, columns = ResizedCrop(config).draw(batch(50, 100, 100), draws())["box"].T
    assert (rows == 32).all() and (columns == 63).all()


def test_a_box_that_never_fits_is_the_largest_in_the_middle() -> None:
    wide = ResizedCrop(ResizedCropConfig(scale=(1, 1), ratio=(2, 2))).draw(batch(3, 40, 40), draws())["box"]
    assert wide.tolist() == [[10, 20, 0, 40]] * 3


def test_resizing_weighs_only_the_box_and_sums_to_one() -> None:
    first, length = torch.tensor([0, 5, 30]), torch.tensor([40, 10, 1])
    for interpolation in ("bilinear", "bicubic"):
        matrix = resize_matrix(first, length, 40, 16, interpolation)
        torch.testing.assert_close(matrix.sum(-1), torch.ones(3, 16))
        assert (matrix[1, :, :5] == 0).all() and (matrix[1, :, 15:] == 0).all()
        assert (matrix[2, :, 30] == 1).all()


def test_every_order_of_the_jitter_is_as_likely() -> None:
    count = 24_000
    order = ColourJitter(ColourJitterConfig()).draw(batch(count, 1, 1), draws())["order"]
    assert torch.equal(order.sort(1).values, torch.arange(4).expand(count, -1))
    codes, found = (order * torch.tensor([64, 16, 4, 1])).sum(1).unique(return_counts=True)
    assert len(codes) == 24
    chi_square = ((found - count / 24) ** 2 / (count / 24)).sum().item()
    assert chi_square < 49.7  # exceeded once in a thousand times


def test_amounts_of_the_jitter_are_even_and_apart() -> None:
    config = ColourJitterConfig(brightness=0.4, contrast=0.2, saturation=1.5, hue=0.1)
    amount = ColourJitter(config).draw(batch(8000, 1, 1), draws())["amount"]
    for values, low, high in zip(amount.T, (0.6, 0.8, 0.0, -0.1), (1.4, 1.2, 2.5, 0.1), strict=True):
        even(values, low, high, atol=0.02 * (high - low))
    assert (torch.corrcoef(amount.T) - torch.eye(4)).abs().max() < 0.05


def test_sigma_is_even() -> None:
    even(Blur(BlurConfig()).draw(batch(8000, 1, 1), draws())["sigma"], 0.1, 2.0, atol=0.04)


def test_turns_are_as_likely() -> None:
    turns = QuarterTurns(QuarterTurnsConfig()).draw(batch(8000, 1, 1), draws())["turns"]
    assert (torch.bincount(turns, minlength=4) / 8000 - 0.25).abs().max() < 0.02


def test_a_rectangle_is_not_turned() -> None:
    with pytest.raises(RecipeError, match="not 4 x 6; write horizontal_flip"):
        QuarterTurns(QuarterTurnsConfig())(torch.zeros(2, 3, 4, 6), draws())

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from audiossl.errors import UsageError
from audiossl.image.views.build import build_views
from audiossl.recipe.image_views import (
    SIMCLR_CIFAR10,
    SIMCLR_IMAGENET,
    ImageViewsConfig,
    NormaliseConfig,
    ResizedCropConfig,
    SolariseConfig,
)
from tests.draws import draws


@dataclass(frozen=True)
class Measured:
    mean: tuple[float, ...] = (0.49, 0.48, 0.45)
    std: tuple[float, ...] = (0.25, 0.24, 0.26)


def test_the_default_chain_is_that_of_simclr_on_cifar10() -> None:
    views = build_views(ImageViewsConfig(), statistics=Measured())
    names = [type(view).__name__ for view in views.image.augmentations]
    assert names == ["ResizedCrop", "HorizontalFlip", "ColourJitter", "Greyscale", "Normalise"]
    assert [view.p for view in views.image.augmentations] == [1, 0.5, 0.8, 0.2, 1]
    assert ImageViewsConfig() == SIMCLR_CIFAR10
    imagenet = build_views(SIMCLR_IMAGENET, statistics=Measured())
    assert [type(view).__name__ for view in imagenet.image.augmentations] == [*names[:-1], "Blur", names[-1]]


def test_the_chain_ends_normalised_by_channel() -> None:
    x = torch.rand(4, 3, 8, 8)
    views = build_views(
        ImageViewsConfig(image=[SolariseConfig(p=1, threshold=0), NormaliseConfig()]), statistics=Measured()
    )
    mean, std = (torch.tensor(values)[:, None, None] for values in (Measured.mean, Measured.std))
    torch.testing.assert_close(views.after_frontend(x, draws()), (1 - x - mean) / std)


def test_stored_pixels_are_given_to_the_front_end_as_they_are() -> None:
    x = torch.randint(0, 256, (4, 192), dtype=torch.uint8)
    assert build_views(ImageViewsConfig(), statistics=Measured()).before_frontend(x, draws()) is x


def test_views_of_a_seed_are_the_same_and_of_another_seed_others() -> None:
    x, views = torch.rand(6, 3, 32, 32), build_views(SIMCLR_IMAGENET, statistics=Measured())
    once = views.after_frontend(x, draws(3))
    assert torch.equal(once, views.after_frontend(x, draws(3)))
    assert not torch.equal(once, views.after_frontend(x, draws(4)))


def test_views_are_float32_without_gradients_whatever_is_around_them() -> None:
    x, views = torch.rand(6, 3, 32, 32, requires_grad=True), build_views(SIMCLR_IMAGENET, statistics=Measured())
    with torch.autocast("cpu", torch.bfloat16):
        found = views.after_frontend(x, draws())
    assert found.dtype == torch.float32 and not found.requires_grad
    assert torch.equal(found, views.after_frontend(x, draws()))


def test_a_view_may_be_smaller_than_the_stored_picture() -> None:
    views = build_views(ImageViewsConfig(image=[ResizedCropConfig(side=16), NormaliseConfig()]), statistics=Measured())
    assert views.after_frontend(torch.rand(5, 3, 40, 40), draws()).shape == (5, 3, 16, 16)


@pytest.mark.parametrize(("share", "side"), [(0.5, 5), (0.25, 2), (1.0, 10), (0.01, 1)])
def test_short_views_are_squares_of_every_picture_at_places_of_their_own(share: float, side: int) -> None:
    views = build_views(ImageViewsConfig(), statistics=Measured())
    code = 10 * torch.arange(10.0)[:, None] + torch.arange(10.0)
    found = views.short(code.expand(400, 3, 10, 10), share, draws())
    assert found.shape == (400, 3, side, side)
    first = found[:, :1, :1, :1]
    assert torch.equal(found - first, code[:side, :side].expand_as(found))
    rows, columns = first.flatten() // 10, first.flatten() % 10
    assert set(rows.tolist()) == set(columns.tolist()) == set(range(11 - side))


def test_normalising_needs_statistics() -> None:
    with pytest.raises(UsageError, match="measure them first"):
        build_views(ImageViewsConfig(), statistics=None)

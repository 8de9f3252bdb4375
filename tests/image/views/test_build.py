from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from audiossl.errors import UsageError
from audiossl.image.views.build import build_views
from audiossl.recipe.image_views import (
    SIMCLR_CIFAR10,
    SIMCLR_IMAGENET,
    BlurConfig,
    HorizontalFlipConfig,
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
    (found,) = views.after_frontend(x, draws())
    torch.testing.assert_close(found, (1 - x - mean) / std)


def test_stored_pixels_are_given_to_the_front_end_as_they_are() -> None:
    x = torch.randint(0, 256, (4, 192), dtype=torch.uint8)
    assert build_views(ImageViewsConfig(), statistics=Measured()).before_frontend(x, draws()) is x


def test_views_of_a_seed_are_the_same_and_of_another_seed_others() -> None:
    x, views = torch.rand(6, 3, 32, 32), build_views(SIMCLR_IMAGENET, statistics=Measured())
    once, again, other = (views.after_frontend(x, draws(seed))[0] for seed in (3, 3, 4))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_views_are_float32_without_gradients_whatever_is_around_them() -> None:
    x, views = torch.rand(6, 3, 32, 32, requires_grad=True), build_views(SIMCLR_IMAGENET, statistics=Measured())
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = views.after_frontend(x, draws())
    assert found.dtype == torch.float32 and not found.requires_grad
    assert torch.equal(found, views.after_frontend(x, draws())[0])


def test_a_view_may_be_smaller_than_the_stored_picture() -> None:
    views = build_views(ImageViewsConfig(image=[ResizedCropConfig(side=16), NormaliseConfig()]), statistics=Measured())
    assert views.after_frontend(torch.rand(5, 3, 40, 40), draws())[0].shape == (5, 3, 16, 16)


PLACES = [ResizedCropConfig(scale=(0.5, 1)), NormaliseConfig()]


def corners(views: list[torch.Tensor]) -> torch.Tensor:
    """Of views of pictures that hold each pixel's row and column, the least and the largest of both (B, 2, 2)."""
    flat = torch.cat([view.flatten(2) for view in views])
    return torch.stack((flat.amin(2), flat.amax(2)), dim=2)[:, :2]


@pytest.mark.parametrize(("share", "side"), [(0.5, 16), (0.3, 10), (1.0, 32), (0.01, 1)])
def test_small_views_have_their_share_of_the_side(share: float, side: int) -> None:
    views = build_views(ImageViewsConfig(), statistics=Measured())
    found = views.after_frontend(torch.rand(5 * 4, 3, 32, 32), draws(views=5), short=3, share=share)
    assert [view.shape for view in found] == [(4, 3, 32, 32)] * 2 + [(4, 3, side, side)] * 3


def test_small_views_show_their_share_of_the_picture_itself_and_not_of_a_view() -> None:
    """Out of a view that shows half of a picture at least, some would show less than `short_scale` of the picture."""
    axis = torch.arange(40.0)
    x = torch.stack((axis[:, None].expand(40, 40), axis.expand(40, 40), torch.zeros(40, 40))).expand(3 * 300, 3, 40, 40)
    config = ImageViewsConfig(image=PLACES, short_scale=(0.2, 0.3))
    views = build_views(config, statistics=Measured(mean=(0, 0, 0), std=(1, 1, 1)))
    whole, *small = views.after_frontend(x, draws(views=3), short=2, share=1.0)
    extent = torch.diff(corners(small), dim=2)[..., 0].add(1) / 40
    assert extent.prod(1).min() > 0.17 and extent.prod(1).max() < 0.33
    first = corners(small)[..., 0]
    assert first.min() < 2 and first.max() > 20  # anywhere in the picture
    assert torch.diff(corners([whole]), dim=2)[..., 0].add(1).div(40).prod(1).min() > 0.45


def test_whole_views_are_the_same_whether_small_ones_follow_or_not() -> None:
    x, views = torch.rand(5 * 4, 3, 16, 16), build_views(ImageViewsConfig(), statistics=Measured())
    among = views.after_frontend(x, draws(views=5), short=3, share=0.5)
    alone = views.after_frontend(x[:8], draws(views=2))
    assert all(torch.equal(*pair) for pair in zip(among[:2], alone, strict=True))


def test_small_views_go_through_the_whole_chain() -> None:
    chain = [ResizedCropConfig(), SolariseConfig(p=1, threshold=0), NormaliseConfig()]
    views = build_views(ImageViewsConfig(image=chain), statistics=Measured(mean=(0, 0, 0), std=(1, 1, 1)))
    _, small = views.after_frontend(torch.ones(8, 3, 16, 16), draws(views=2), short=1, share=0.5)
    torch.testing.assert_close(small, torch.zeros(4, 3, 8, 8))


@pytest.mark.parametrize("kind", [SolariseConfig, HorizontalFlipConfig])
def test_each_view_has_its_own_probability(kind: type[SolariseConfig] | type[HorizontalFlipConfig]) -> None:
    x = 0.6 + 0.3 * torch.rand(3 * 200, 3, 4, 4)
    chain = [kind(p=(0.1, 1.0, 0.0)), NormaliseConfig()]
    views = build_views(ImageViewsConfig(image=chain), statistics=Measured(mean=(0, 0, 0), std=(1, 1, 1)))
    found = views.after_frontend(x, draws(views=3))
    changed = [
        (view != before).flatten(1).any(1).float().mean() for view, before in zip(found, x.split(200), strict=True)
    ]
    assert 0.04 < changed[0] < 0.17
    assert changed[1:] == [1, 0]


def test_equal_probabilities_of_all_views_are_one_probability() -> None:
    x = torch.rand(3 * 40, 3, 8, 8)
    one, each = (
        build_views(ImageViewsConfig(image=[BlurConfig(p=p), NormaliseConfig()]), statistics=Measured())
        for p in (0.4, (0.4, 0.4))
    )
    pairs = zip(one.after_frontend(x, draws(views=3)), each.after_frontend(x, draws(views=3)), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_normalising_needs_statistics() -> None:
    with pytest.raises(UsageError, match="measure them first"):
        build_views(ImageViewsConfig(), statistics=None)

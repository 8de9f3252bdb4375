"""What every view of pictures promises: colours stay colours, pictures do not depend on their company."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from audiossl.image.views.build import IMAGE
from audiossl.recipe import image_views as iv
from audiossl.views.base import Augmentation
from tests.draws import draws

CONFIGS = (
    iv.ResizedCropConfig(),
    iv.ResizedCropConfig(interpolation="bicubic", ratio=(0.3, 3.0)),
    iv.HorizontalFlipConfig(),
    iv.VerticalFlipConfig(),
    iv.QuarterTurnsConfig(),
    iv.ColourJitterConfig(brightness=2, contrast=2, saturation=2, hue=0.5),
    iv.GreyscaleConfig(),
    iv.BlurConfig(kernel=0.5),
    iv.SolariseConfig(),
)
VIEWS = [pytest.param(IMAGE[type(config)](config), id=config.name) for config in CONFIGS]


def pictures(count: int = 12, side: int = 13) -> Tensor:
    x = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(2))
    x[0], x[1], x[2] = 0, 1, x[2, :1]
    return x


def test_every_config_has_its_view_here() -> None:
    assert {type(config) for config in CONFIGS} == set(IMAGE)


@pytest.mark.parametrize("view", VIEWS)
def test_colours_stay_colours_and_the_picture_given_stays_itself(view: Augmentation) -> None:
    x = pictures()
    before = x.clone()
    found = view(x, draws())
    assert torch.equal(x, before)
    assert (found.shape, found.dtype) == (x.shape, torch.float32)
    assert found.min() >= 0 and found.max() <= 1 + 1e-6
    assert torch.equal(found, view(x, draws()))


@pytest.mark.parametrize("view", VIEWS)
def test_a_picture_does_not_depend_on_its_company(view: Augmentation) -> None:
    x = pictures()
    drawn = view.draw(x, draws())
    together = view.apply(x, **drawn)
    for n in range(len(x)):
        alone = view.apply(x[n : n + 1], **{name: value[n : n + 1] for name, value in drawn.items()})
        torch.testing.assert_close(together[n : n + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("view", VIEWS)
def test_one_pixel_is_a_picture(view: Augmentation) -> None:
    x = torch.rand(4, 3, 1, 1)
    assert torch.isfinite(view(x, draws())).all()


@pytest.mark.parametrize("view", [param for param in VIEWS if param.id in ("horizontal_flip", "greyscale", "solarise")])
def test_the_share_of_changed_pictures_is_the_probability(view: Augmentation) -> None:
    x = torch.rand(1, 3, 2, 3, generator=torch.Generator().manual_seed(0)).expand(4000, -1, -1, -1)
    changed = (view(x, draws()) != x).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(view.p, abs=4 * (view.p * (1 - view.p) / 4000) ** 0.5)

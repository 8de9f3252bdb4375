"""ResNet-18 of pictures: torchvision's with its own stem, and the form for small pictures."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from audiossl.encoders.build import build_encoder, build_seeded
from audiossl.encoders.resnet import ResNet18
from audiossl.errors import RecipeError
from audiossl.recipe.image_encoders import ImageResNet18Config
from tests.encoders.fill import fill


def pictures(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("height", [96, 64])
def test_the_7x7_stem_with_torchvisions_weights_gives_torchvisions_embedding(height):
    theirs = resnet18(weights=None).eval()
    fill(theirs)
    ours = build_encoder(ImageResNet18Config(stem="7x7"), 96, 3).eval()
    theirs.fc = nn.Identity()
    assert ours.load_state_dict(theirs.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = pictures(2, 3, height, 96)
    wanted = theirs(x)
    assert (ours(x) - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@torch.no_grad()
def test_the_classifier_too_has_torchvisions_name():
    theirs = resnet18(weights=None, num_classes=7).eval()
    ours = ResNet18(ImageResNet18Config(stem="7x7"), 32, 3, num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    x = pictures(2, 3, 32, 32)
    assert torch.allclose(ours.logits(x), theirs(x), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("stem", "stride", "side"), [("3x3", 1, 32), ("3x3/2", 2, 16)])
def test_small_stems_are_torchvisions_network_with_the_first_layers_exchanged(stem, stride, side):
    theirs = resnet18(weights=None)
    theirs.conv1, theirs.maxpool, theirs.fc = nn.Conv2d(3, 64, 3, stride, 1, bias=False), nn.Identity(), nn.Identity()
    fill(theirs.eval())
    ours = build_encoder(ImageResNet18Config(stem=stem), 32, 3).eval()
    ours.load_state_dict(theirs.state_dict())
    x = pictures(2, 3, 32, 32)
    wanted = theirs(x)
    assert (ours(x) - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert ours.layer1(ours.conv1(x)).shape == (2, 64, side, side)


def test_the_width_of_the_first_stage_is_doubled_in_each_further_one():
    encoder = build_seeded(ImageResNet18Config(width=12), 32, seed=0, channels=3)
    stages = [encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4]
    assert [stage[1].conv2.out_channels for stage in stages] == [12, 24, 48, 96]
    assert encoder.embedding_dim == encoder(pictures(2, 3, 32, 32)).shape[1] == 96


def test_pictures_too_small_for_the_stem_are_refused_in_pixels():
    with pytest.raises(RecipeError, match=r"resnet18 needs at least 16 pixels a side, not 15; write frontend.side: 16"):
        build_encoder(ImageResNet18Config(stem="7x7"), 15, 3)
    assert build_encoder(ImageResNet18Config(width=8), 8, 3).eval()(pictures(1, 3, 8, 8)).isfinite().all()

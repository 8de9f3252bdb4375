from __future__ import annotations

import sys

import pytest
import torch

from audiossl.encoders.timm_network import TimmNetwork
from audiossl.errors import RecipeError
from audiossl.recipe.encoders import TimmConfig


def test_a_misspelt_network_gets_a_suggestion():
    with pytest.raises(RecipeError, match=r"no network 'efficentnet_b0'; did you mean efficientnet_b0\?"):
        TimmNetwork(TimmConfig(model="efficentnet_b0"), 64)


def test_a_remote_network_is_never_fetched():
    with pytest.raises(RecipeError, match="no network 'hf-hub:timm/resnet18'"):
        TimmNetwork(TimmConfig(model="hf-hub:timm/resnet18"), 64)


def test_a_network_for_one_image_size_is_refused_when_built():
    with pytest.raises(RecipeError, match=r"swin_tiny.* does not take spectrograms of 64 bands and any length"):
        TimmNetwork(TimmConfig(model="swin_tiny_patch4_window7_224"), 64)


def test_missing_timm_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RecipeError, match=r"timm is not installed; run `pip install 'audiossl-toolkit\[timm\]'`"):
        TimmNetwork(TimmConfig(), 64)


def test_maps_are_averaged_over_all_of_them():
    network = TimmNetwork(TimmConfig(model="test_resnet"), 64).eval()
    x_BCFT = torch.randn(2, 1, 64, 70, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(network(x_BCFT), network.network.forward_features(x_BCFT).mean(dim=(2, 3)), atol=1e-5)


def test_patches_of_a_transformer_keep_their_place_in_time():
    network = TimmNetwork(TimmConfig(model="test_vit"), 64).eval()
    patch = network.network.patch_embed.patch_size[1]
    x_BCFT = torch.randn(1, 1, 64, 4 * patch, generator=torch.Generator().manual_seed(0))
    tokens = network.network(x_BCFT)[:, network.network.num_prefix_tokens :]
    grid = tokens.view(64 // patch, 4, -1)
    assert torch.allclose(network.frames(x_BCFT)[0], grid.mean(dim=0), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("model", ["test_resnet", "test_vit", "test_mambaout"])
def test_pictures_give_timms_own_features_averaged_over_the_picture(model):
    network = TimmNetwork(TimmConfig(model=model), 48, 3).eval()
    x = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    features = network.network(x)
    wanted = {
        "test_resnet": lambda: features.mean(dim=(2, 3)),
        "test_vit": lambda: features[:, network.network.num_prefix_tokens :].mean(dim=1),
        "test_mambaout": lambda: features.mean(dim=(1, 2)),
    }[model]()
    assert torch.allclose(network(x), wanted, atol=1e-5)
    assert network.embedding_dim == wanted.shape[1]


@torch.no_grad()
def test_frames_of_a_picture_are_rows_of_patches():
    network = TimmNetwork(TimmConfig(model="test_vit"), 48, 3).eval()
    x = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    tokens = network.network(x)[:, network.network.num_prefix_tokens :]
    assert torch.allclose(network.frames(x)[0], tokens.view(3, 4, -1).mean(dim=1), atol=1e-6)


def test_a_network_for_pictures_of_one_size_is_built_for_it_and_says_so_when_given_another():
    network = TimmNetwork(TimmConfig(model="convit_tiny"), 32, 3).eval()
    assert not network.any_bands
    with pytest.raises(RecipeError, match=r"convit_tiny takes pictures of 32 pixels a side, not of 16 x 16"):
        network(torch.zeros(1, 3, 16, 16))
    for model in ("test_resnet", "test_vit"):
        assert TimmNetwork(TimmConfig(model=model), 32, 3).any_bands


def test_a_network_that_takes_no_pictures_of_this_side_is_refused_in_words_of_pictures():
    with pytest.raises(RecipeError, match=r"coat_lite_tiny does not take pictures of 30 pixels a side"):
        TimmNetwork(TimmConfig(model="coat_lite_tiny"), 30, 3)
    with pytest.raises(RecipeError, match=r"timm needs at least 16 pixels a side, not 8; write frontend.side: 16"):
        TimmNetwork(TimmConfig(model="test_resnet"), 8, 3)

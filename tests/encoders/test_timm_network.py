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

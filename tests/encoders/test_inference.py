"""The form of an encoder for inference: the same embeddings, and nothing else touched."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audiossl.encoders.build import build_seeded
from audiossl.encoders.inference import inference_form
from audiossl.recipe.encoders import (
    AudioNtt2020Config,
    AudioNtt2022Config,
    CausalConfig,
    CausalWaveformConfig,
    CrnnConfig,
    ResNet18Config,
    TimmConfig,
    VggLikeConfig,
    WaveformCnnConfig,
)
from audiossl.recipe.image_encoders import ImageResNet18Config, PatchesConfig

FOLDED = [
    AudioNtt2020Config(dim=64),
    AudioNtt2022Config(dim=1100, hidden=32),
    CrnnConfig(),
    ResNet18Config(),
    VggLikeConfig(),
    WaveformCnnConfig(dim=32),
    ImageResNet18Config(width=8),
    ImageResNet18Config(width=8, stem="7x7"),
]
LEFT = [
    CausalConfig(channels=[16, 16], context=12),
    CausalWaveformConfig(channels=[8], kernels=[10], strides=[10], context=12),
    TimmConfig(model="test_resnet"),
    TimmConfig(model="test_vit"),
    PatchesConfig(channels=[8, 12]),
]


def name_of(config) -> str:
    return f"{getattr(config, 'model', config.name)}{getattr(config, 'stem', '')}"


def case(config) -> tuple[nn.Module, torch.Tensor]:
    """An encoder whose norms are not the identity, and input for it."""
    bands, frames, channels = 64, 24, 1
    if "waveform" in config.name:
        bands, frames = 1, 2000
    if isinstance(config, ImageResNet18Config | PatchesConfig):
        bands, frames, channels = 32, 32, 3
    encoder, draw = build_seeded(config, bands, 0, channels), torch.Generator().manual_seed(2)
    for norm in (module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)):
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 1.5, generator=draw)
    x_BCFT = torch.randn(1, channels, bands, frames, generator=torch.Generator().manual_seed(1))
    return encoder.eval().requires_grad_(False), x_BCFT


@pytest.mark.parametrize("config", FOLDED + LEFT, ids=name_of)
@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_embedding_is_the_plain_encoders_and_the_encoder_is_not_touched(config, dtype, apart):
    encoder, x_BCFT = case(config)
    encoder, x_BCFT = encoder.to(dtype), x_BCFT.to(dtype)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    wanted = encoder(x_BCFT)
    form = inference_form(encoder)
    assert (form(x_BCFT) - wanted).abs().max() <= apart * wanted.abs().max()
    assert encoder.state_dict().keys() == before.keys()
    assert all(torch.equal(encoder.state_dict()[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("config", FOLDED, ids=name_of)
def test_no_norm_is_left_to_compute(config):
    encoder, _ = case(config)
    assert any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in inference_form(encoder).modules())


@pytest.mark.parametrize("config", LEFT, ids=name_of)
def test_an_encoder_that_is_not_known_keeps_every_layer(config):
    encoder, x_BCFT = case(config)
    form = inference_form(encoder)
    assert [type(module) for module in form.modules()] == [type(module) for module in encoder.modules()]
    assert torch.equal(form(x_BCFT), encoder(x_BCFT))


@pytest.mark.parametrize("config", FOLDED + LEFT, ids=name_of)
def test_weights_converted_once_give_what_autocast_gives_bit_for_bit(config):
    encoder, x_BCFT = case(config)
    once, each_time = inference_form(encoder, bf16=True), inference_form(encoder)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(once(x_BCFT), each_time(x_BCFT))
    assert not any(type(module) is nn.Conv2d and module.weight.dtype != torch.bfloat16 for module in once.modules())


def test_weights_stay_channels_last():
    encoder = build_seeded(VggLikeConfig(), 64, seed=0).eval().to(memory_format=torch.channels_last)
    for bf16 in (False, True):
        form = inference_form(encoder, bf16=bf16)
        assert form.conv3.conv.weight.is_contiguous(memory_format=torch.channels_last)

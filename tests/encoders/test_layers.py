"""Named layers: what `LayerReader` gives equals the sub-modules run by hand, laid out by a slow loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from audiossl.encoders.build import build_seeded
from audiossl.encoders.layers import LayerReader, frequency_first, time_first
from audiossl.errors import UsageError
from audiossl.recipe.encoders import (
    AudioNtt2020Config,
    AudioNtt2022Config,
    CausalConfig,
    CrnnConfig,
    ResNet18Config,
    TimmConfig,
    VggLikeConfig,
    WaveformCnnConfig,
)
from audiossl.recipe.image_encoders import ImageResNet18Config, PatchesConfig
from tests.encoders.test_encoders import spectrogram

NAMES = [
    (ResNet18Config(), ["stem", "layer1", "layer2", "layer3", "layer4"]),
    (VggLikeConfig(), ["conv0", "conv1", "conv2", "conv3", "conv4", "conv5", "dense1"]),
    (CrnnConfig(), ["conv1", "conv2", "conv3", "rnn1"]),
    (AudioNtt2020Config(dim=64), ["block1", "block2", "block3", "hidden", "fc"]),
    (AudioNtt2022Config(dim=1100, hidden=32), ["block1", "block2", "hidden", "fc"]),
    (CausalConfig(channels=[16, 16], context=12), ["conv1", "conv2", "gru"]),
    (ImageResNet18Config(width=8), ["stem", "layer1", "layer2", "layer3", "layer4"]),
    (PatchesConfig(channels=[8, 12], rows_above=2), ["patches", "above1", "above2"]),
]
PICTURES = (ImageResNet18Config, PatchesConfig)


def by_hand(encoder, name, x):
    """The maps or frames of a layer, the encoder's parts called one after the other."""
    kind = type(encoder).__name__
    if kind.startswith("AudioNtt"):
        blocks = len(encoder.features) // 4
        for number in range(1, blocks + 1):
            if name == f"block{number}":
                return encoder.features[: 4 * number](x)
        hidden = torch.relu(encoder.fc[0](encoder.convolved(x)))
        return hidden if name == "hidden" else torch.relu(encoder.fc[3](hidden))
    if kind == "Patches":
        return encoder.above[: 0 if name == "patches" else int(name[-1])](encoder.patches(x))
    maps = x if x.shape[1] == 3 else x.transpose(2, 3)
    if kind == "ResNet18":
        maps = torch.relu(encoder.maxpool(encoder.bn1(encoder.conv1(maps))))
        for stage in ("layer1", "layer2", "layer3", "layer4")[: 0 if name == "stem" else int(name[-1])]:
            maps = getattr(encoder, stage)(maps)
        return maps
    if kind == "Causal":
        return encoder.frames(x) if name == "gru" else encoder.convolutions[: int(name[-1])](x.transpose(1, 2))
    if name == "rnn1":
        return encoder.frames(x)
    if name == "dense1":
        last = by_hand(encoder, "conv5", x)
        return encoder.dense1(torch.cat([last.amax((2, 3)), last.mean((2, 3))], 1))
    for number in range(0 if kind == "VggLike" else 1, int(name[-1]) + 1):
        maps = getattr(encoder, f"conv{number}")(maps)
    return maps


def laid_out(maps, time_axis):
    """(B, U, F * C) from maps, value by value."""
    maps = np.moveaxis(maps.numpy(), time_axis, 1)  # (B, U, C, F)
    batch, frames, channels, bands = maps.shape
    found = np.empty((batch, frames, bands * channels), np.float32)
    for b in range(batch):
        for u in range(frames):
            found[b, u] = [maps[b, u, c, f] for f in range(bands) for c in range(channels)]
    return found


@torch.no_grad()
@pytest.mark.parametrize(("config", "names"), NAMES, ids=[type(config).__name__ for config, _ in NAMES])
def test_each_layer_has_its_name_for_ever_and_equals_the_encoders_parts_run_by_hand(config, names):
    channels = 3 if isinstance(config, PICTURES) else 1
    encoder = build_seeded(config, 64, 0, channels).eval()
    assert list(encoder.layers()) == names
    x = spectrogram(2, channels, 64, 40)
    for name in names:
        found, wanted = LayerReader(encoder, name)(x), by_hand(encoder, name, x)
        if wanted.dim() == 4:
            wanted = torch.from_numpy(laid_out(wanted, 3 if config.name.startswith(("audiontt", "causal")) else 2))
        assert found.shape == wanted.shape, name
        assert torch.allclose(found, wanted, atol=1e-6), name


@torch.no_grad()
@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_the_last_layer_of_a_timm_network_averaged_over_bands_is_its_frames(model):
    encoder = build_seeded(TimmConfig(model=model), 64, seed=0).eval()
    last = list(encoder.layers())[-1]
    x = spectrogram(2, 1, 64, 64)
    frames = LayerReader(encoder, last)(x)
    size = encoder.network.feature_info[-1]["num_chs"]
    maps = frames.unflatten(2, (-1, size))
    if model == "test_vit":
        maps = encoder.network.norm(maps)
    assert torch.allclose(maps.mean(2), encoder.frames(x), atol=1e-5)


@torch.no_grad()
def test_a_layer_of_a_waveform_encoder_has_a_frame_per_stride():
    encoder = build_seeded(WaveformCnnConfig(dim=24), 1, seed=0).eval()
    assert list(encoder.layers()) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc"]
    x = spectrogram(2, 1, 1, 3200)
    assert LayerReader(encoder, "conv1")(x).shape == (2, 640, 32)
    assert torch.equal(LayerReader(encoder, "conv1")(x), encoder.features[:4](x)[:, :, 0].transpose(1, 2))
    assert torch.equal(LayerReader(encoder, "fc")(x), encoder.frames(x))


def test_frames_hold_the_channels_of_one_band_side_by_side():
    maps = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    assert np.array_equal(frequency_first(maps), laid_out(maps, 3))
    assert np.array_equal(time_first(maps), laid_out(maps, 2))


@torch.no_grad()
def test_reading_a_layer_leaves_the_encoder_as_it_was_and_works_in_threads():
    encoder = build_seeded(VggLikeConfig(), 64, seed=0).eval()
    x = spectrogram(8, 1, 64, 40)
    before = encoder(x)
    reader = LayerReader(encoder, "conv2")
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda one: reader(one[None]), x))
    assert torch.allclose(torch.cat(parts), reader(x), atol=1e-6)
    assert torch.equal(encoder(x), before)
    assert not any(module._forward_hooks for module in encoder.modules())


def test_a_layer_that_is_not_there_is_answered_with_those_that_are():
    encoder = build_seeded(AudioNtt2020Config(dim=64), 64, seed=0)
    with pytest.raises(
        UsageError, match=r"no layer blok2; did you mean block2\? it has block1, block2, block3, hidden"
    ):
        LayerReader(encoder, "blok2")

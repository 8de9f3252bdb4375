"""ResNet-18, VGG-like and CRNN against the paper's code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.encoders.crnn import Crnn
from audiossl.encoders.resnet import ResNet18
from audiossl.encoders.vgg import VggLike
from audiossl.recipe.encoders import CrnnConfig, ResNet18Config, VggLikeConfig
from tests.encoders.fill import fill

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(scope="module")
def arrays(shared):
    with np.load(shared / "reference" / "uclser20_models.npz") as loaded:
        return {name: loaded[name] for name in loaded}


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max())


def to_input(patches_BTF: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(patches_BTF.astype(np.float32)).transpose(-1, -2).reshape(len(patches_BTF), 1, 96, 101)


@pytest.mark.parametrize(
    ("network", "config", "parameters", "entries", "classifier"),
    [
        (ResNet18, ResNet18Config(), 11_180_500, 122, "fc"),
        (VggLike, VggLikeConfig(), 290_292, 40, "dense_out"),
        (Crnn, CrnnConfig(), 948_116, 28, "dense"),
    ],
)
def test_sizes_and_classifiers_are_the_papers(network, config, parameters, entries, classifier):
    tagger, bare = network(config, 96, num_classes=20), network(config, 96)
    assert sum(p.numel() for p in tagger.parameters()) == parameters
    assert len(tagger.state_dict()) == entries
    assert set(tagger.state_dict()) - set(bare.state_dict()) == {f"{classifier}.weight", f"{classifier}.bias"}
    assert tagger.logits(torch.zeros(2, 1, 96, 20)).shape == (2, 20)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "scale"), [("rs0_unit", 1.0), ("rs0_x36660", 36_660.0), ("real", None)])
def test_vgg_with_the_published_weights_equals_the_papers_code(shared, arrays, name, scale):
    vgg = VggLike(VggLikeConfig(), 96, num_classes=20).eval()
    weights = torch.load(shared / "weights" / "uclser20_VGG_best.pth", map_location="cpu", weights_only=True)
    vgg.load_state_dict(weights, strict=True)
    if scale is None:
        mean, deviation, scale = arrays["real_mu_sd_scale"]
        x_BCFT = to_input((arrays["real_patches_logmel"] - mean) / deviation * scale)
    else:
        x_BCFT = to_input(arrays["x_numpy_rs0"] * scale)
    assert relative(vgg(x_BCFT), arrays[f"VGG/{name}/embed"]) < 1e-5
    assert relative(vgg.logits(x_BCFT), arrays[f"VGG/{name}/logits"]) < 1e-5


@pytest.mark.shared
def test_vgg_layers_equal_the_papers_code(shared, arrays):
    vgg = VggLike(VggLikeConfig(), 96, num_classes=20).eval()
    vgg.load_state_dict(torch.load(shared / "weights" / "uclser20_VGG_best.pth", map_location="cpu", weights_only=True))
    maps = to_input(arrays["x_numpy_rs0"] * 36_660).transpose(2, 3)
    for i in range(6):
        maps = getattr(vgg, f"conv{i}")(maps)
        if f"VGG/rs0_x36660/layer_conv{i}" in arrays:
            assert list(maps.shape) == list(arrays[f"VGG/rs0_x36660/layer_conv{i}_shape"])
            assert relative(maps[:1, :4], arrays[f"VGG/rs0_x36660/layer_conv{i}"]) < 1e-5


@pytest.mark.shared
def test_resnet_with_the_fixed_fill_equals_the_papers_code(arrays):
    resnet = ResNet18(ResNet18Config(), 96, num_classes=20).eval()
    assert list(resnet.state_dict()) == list(arrays["ResNet/keys"])
    fill(resnet)
    x_BCFT = to_input(arrays["x_numpy_rs0"])
    assert relative(resnet(x_BCFT), arrays["ResNet/rs0_unit/embed"]) < 1e-5
    assert relative(resnet.logits(x_BCFT), arrays["ResNet/rs0_unit/logits"]) < 1e-5


@pytest.mark.shared
def test_resnet_maps_have_the_papers_sizes(arrays):
    resnet, sizes = ResNet18(ResNet18Config(), 96).eval(), {}
    for name in ("maxpool", "layer1", "layer2", "layer3", "layer4"):
        resnet.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, maps, name=name: sizes.update({name: list(maps.shape)})
        )
    resnet(to_input(arrays["x_numpy_rs0"]))
    assert sizes == {name: list(arrays[f"ResNet/layer_{name}_shape"]) for name in sizes}
    assert len(sizes) == 5


def test_resnet_convolutions_start_as_the_papers():
    torch.manual_seed(0)
    weight = ResNet18(ResNet18Config(), 96).layer3[0].conv1.weight
    # kaiming_normal, fan_out: deviation sqrt(2 / (256 outputs * 3 * 3)).
    assert weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)


def test_crnn_names_and_sizes_are_the_papers():
    shapes = {name: tuple(tensor.shape) for name, tensor in Crnn(CrnnConfig(), 96, 20).state_dict().items()}
    wanted = {"dense.weight": (20, 64), "dense.bias": (20,)}
    for end in ("", "_reverse"):
        wanted |= {f"rnn1.weight_ih_l0{end}": (192, 256), f"rnn1.weight_hh_l0{end}": (192, 64)}
        wanted |= {f"rnn1.bias_ih_l0{end}": (192,), f"rnn1.bias_hh_l0{end}": (192,)}
    for i, channels_in in ((1, 1), (2, 128), (3, 128)):
        wanted |= {f"conv{i}.conv.weight": (128, channels_in, 5, 5)}
        wanted |= {f"conv{i}.bn.{part}": () if part == "num_batches_tracked" else (128,) for part in BATCH_NORM}
    assert shapes == wanted


def test_crnn_multiplies_both_directions_at_the_last_step():
    crnn = Crnn(CrnnConfig(), 96).eval()
    fill(crnn)
    x_BCFT = torch.randn(2, 1, 96, 101, generator=torch.Generator().manual_seed(0))
    maps = crnn.conv3(crnn.conv2(crnn.conv1(x_BCFT.transpose(2, 3))))
    assert maps.shape == (2, 128, 12, 2)
    steps = [torch.cat([maps[:, :, u, f] for f in range(2)], dim=1) for u in range(12)]
    state = crnn.rnn1.state_dict()
    ahead = torch.zeros(2, 64)
    for step in steps:
        ahead = gru_step(step, ahead, state, "")
    back = gru_step(steps[-1], torch.zeros(2, 64), state, "_reverse")
    assert torch.allclose(crnn(x_BCFT), ahead * back, atol=1e-5)


def gru_step(x: torch.Tensor, h: torch.Tensor, state: dict[str, torch.Tensor], end: str) -> torch.Tensor:
    ir, iz, new = (x @ state[f"weight_ih_l0{end}"].T + state[f"bias_ih_l0{end}"]).chunk(3, dim=1)
    hr, hz, old = (h @ state[f"weight_hh_l0{end}"].T + state[f"bias_hh_l0{end}"]).chunk(3, dim=1)
    update = torch.sigmoid(iz + hz)
    return (1 - update) * torch.tanh(new + torch.sigmoid(ir + hr) * old) + update * h

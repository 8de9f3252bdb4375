"""A ResNet-18 of others gives here what it gives there, whatever its tensors are called."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from audiossl.bundle.load import load_bundle
from audiossl.bundle.published import import_published
from audiossl.bundle.published_resnet18 import STATISTICS, read_resnet18
from audiossl.errors import CheckpointError, UsageError
from audiossl_cli.app import run

RNG = np.random.default_rng(0)


class Narrow(torchvision.models.ResNet):
    """torchvision's ResNet with an eighth of its channels."""

    def _make_layer(self, block, planes, *args, **kwargs):
        if planes == 64:
            self.inplanes = 8
            self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, padding=3, bias=False), nn.BatchNorm2d(8)
        return super()._make_layer(block, planes // 8, *args, **kwargs)


def resnet18(stem: str, kind: type[nn.Module] = Narrow) -> nn.Module:
    """torchvision's, with statistics of batches that do something, and the stem that CIFAR-10 is trained with."""
    torch.manual_seed(3)
    network = kind(torchvision.models.resnet.BasicBlock, [2, 2, 2, 2])
    if stem == "3x3":
        width = len(network.conv1.weight)
        network.conv1, network.maxpool = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.Identity()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


@pytest.fixture(scope="module", params=["3x3", "7x7"])
def stem(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(stem) -> nn.Module:
    return resnet18(stem)


@pytest.fixture
def saved(tmp_path):
    def save(content: object) -> str:
        torch.save(content, tmp_path / "w.pth")
        return str(tmp_path / "w.pth")

    return save


def numbered(network: nn.Module) -> dict[str, Tensor]:
    """The names that `nn.Sequential(*children)` without the classifier gives, as lightly and others build it."""
    children = [child for name, child in network.named_children() if name != "fc"]
    return nn.Sequential(*children).state_dict()


def under(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


def same_features(network: nn.Module, stem: str, path: str) -> None:
    """The embedding of a picture equals torchvision's network without its classifier, normalised as they say."""
    pixels = RNG.integers(0, 256, (3, 64, 64), dtype=np.uint8)
    statistics = STATISTICS[stem]
    mean_C, std_C = (torch.tensor(values)[:, None, None] for values in (statistics.mean, statistics.std))
    classifier, network.fc = network.fc, nn.Identity()
    with torch.no_grad():
        wanted = network(((torch.from_numpy(pixels) / 255 - mean_C) / std_C)[None])[0].numpy()
    network.fc = classifier
    found = read_resnet18(path, side=64).bundle().embed(pixels)
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_features_are_torchvisions(network, stem, saved):
    path = saved(network.state_dict())
    same_features(network, stem, path)
    published = read_resnet18(path)
    assert published.left_out == ["fc"]
    assert (published.recipe.encoder.stem, published.recipe.frontend.side) == (stem, {"3x3": 32, "7x7": 224}[stem])


def test_features_of_the_whole_width_are_torchvisions(saved):
    network = resnet18("7x7", torchvision.models.ResNet)
    same_features(network, "7x7", saved(network.state_dict()))


def test_a_network_is_found_behind_its_prefix_and_what_is_no_part_of_it_is_told(network, stem, saved):
    head = {"projector.0.weight": torch.zeros(2, 2), "queue": torch.zeros(3)}
    path = saved({"state_dict": under("backbone.", network.state_dict()) | head, "epoch": 3})
    same_features(network, stem, path)
    assert read_resnet18(path).left_out == ["backbone.fc", "projector", "queue"]


def test_a_sequential_is_told_by_its_order(network, stem, saved):
    path = saved({"state_dict": under("module.encoder_q.net.", numbered(network)) | {"f.weight": torch.zeros(1)}})
    same_features(network, stem, path)
    assert read_resnet18(path).left_out == ["f"]


def test_the_network_that_learnt_is_taken_where_another_follows_it(saved):
    network, follower = resnet18("3x3"), {name: 0 * weight for name, weight in resnet18("3x3").state_dict().items()}
    for learnt, follows in (("backbone.", "momentum_backbone."), ("encoder_q.", "encoder_k."), ("", "target.")):
        path = saved(under(follows, follower) | under(learnt, network.state_dict()))
        same_features(network, "3x3", path)


def test_shortcuts_half_precision_and_checkpoints_without_counts_are_read(saved):
    network = resnet18("3x3")
    old = {
        name.replace("downsample", "shortcut"): weight
        for name, weight in network.state_dict().items()
        if "num_batches" not in name
    }
    same_features(network, "3x3", saved(old))
    halved = read_resnet18(saved({name: weight.half() for name, weight in old.items()})).bundle()
    assert all(weight.dtype == torch.float32 for weight in halved.encoder.parameters())


@pytest.mark.parametrize(
    ("weights", "cause"),
    [
        ({}, "holds no ResNet-18, it holds no tensor"),
        ({"fc.weight": torch.zeros(2)}, "holds no ResNet-18, its first tensor is fc.weight"),
        (torchvision.models.resnet34, r"tensor layer1\.2\.conv1\.weight has no place in it"),
        (torchvision.models.resnet50, r"tensor layer1\.0\.conv1\.weight has shape"),
        ("two", "holds several networks, of a. and b.; give a file of one"),
        ("missing", r"tensor layer4\.1\.bn2\.weight is missing"),
        ("nan", r"tensor bn1\.bias holds values that are not finite"),
        ("stem", r"tensor conv1\.weight has shape \(8, 3, 5, 5\); it must be"),
        ("no stem", r"tensor conv1\.weight is missing; it must be"),
        ("thin", "has 2 channels, which no ResNet-18 has"),
        ("grey", r"tensor conv1\.weight has shape \(8, 1, 7, 7\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_networks_and_faults_are_named(saved, weights, cause):
    if callable(weights):
        with torch.device("meta"):
            shapes = weights().state_dict()
        weights = {name: torch.zeros(tensor.shape) for name, tensor in shapes.items()}
    elif isinstance(weights, str):
        good, fault = dict(resnet18("7x7").state_dict()), weights
        changed = {
            "nan": {"bn1.bias": good["bn1.bias"] * torch.nan},
            "stem": {"conv1.weight": torch.zeros(8, 3, 5, 5)},
            "thin": {"conv1.weight": torch.zeros(2, 3, 7, 7)},
            "grey": {"conv1.weight": torch.zeros(8, 1, 7, 7)},
        }
        gone = {"missing": "layer4.1.bn2.weight", "no stem": "conv1.weight"}.get(fault, "fc.weight")
        weights = good | changed.get(fault, {})
        del weights[gone]
        if fault == "two":
            weights = under("a.", weights) | under("b.", weights)
    with pytest.raises(CheckpointError, match=cause):
        read_resnet18(saved(weights))


def test_statistics_of_a_channel_too_many_are_a_usage_error(saved):
    published = read_resnet18(saved(resnet18("3x3").state_dict()))
    assert published.measured(0.5, 0.25).bundle().statistics.std == 0.25
    for mean, std in (((0.5, 0.5), (1.0, 1.0)), ((0.5, 0.5, 0.5), (1.0, 1.0)), ((0.5,) * 3, (1.0, 0.0, 1.0))):
        with pytest.raises(UsageError):
            published.measured(mean, std)


def test_the_command_measures_the_statistics_of_ones_own_pictures(saved, tmp_path, monkeypatch, capsys):
    import PIL.Image

    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    path, out = saved(under("net.", resnet18("3x3").state_dict())), tmp_path / "e.safetensors"
    pixels_NHWC = RNG.integers(0, 200, (3, 20, 20, 3), dtype=np.uint8)
    (tmp_path / "pictures").mkdir()
    for number, pixels_HWC in enumerate(pixels_NHWC):
        PIL.Image.fromarray(pixels_HWC).save(tmp_path / "pictures" / f"{number}.png")
    told = ["import", "resnet18", path, "--out", str(out), "--side", "20"]
    assert run([*told, "--statistics-from", str(tmp_path / "pictures")]) == 0
    assert "left out: net.fc" in capsys.readouterr().err
    bundle, values_C = load_bundle(out), pixels_NHWC.reshape(-1, 3) / 255
    assert np.allclose(bundle.statistics.mean, values_C.mean(axis=0), atol=1e-6) and bundle.statistics.items == 3
    assert np.allclose(bundle.statistics.std, values_C.std(axis=0), atol=1e-6)
    assert run([*told, "--mean", "0.5,0.4,0.3", "--std", "0.2,0.2,0.1"]) == 0
    assert "mean 0.5,0.4,0.3, std 0.2,0.2,0.1, scale 1" in capsys.readouterr().err
    for wrong in (["--mean", "0.5,0.4", "--std", "1,1"], ["--mean", "light", "--std", "1"], ["--side", "4"]):
        assert run([*told, *wrong]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_a_bundle_is_written_and_comes_back(saved, tmp_path):
    published = read_resnet18(saved(resnet18("3x3").state_dict()))
    made = import_published(published, tmp_path / "e.safetensors")
    loaded = load_bundle(tmp_path / "e.safetensors")
    pixels = RNG.integers(0, 256, (3, 40, 30), dtype=np.uint8)
    assert np.array_equal(loaded.embed(pixels), made.embed(pixels)) and loaded.statistics == made.statistics
    assert loaded.describe()["training"]["file"] == "w.pth"

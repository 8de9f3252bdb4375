"""The three published networks of Fonseca et al. 2021: recognised, scaled as they want it, and equal to their code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.load import load_bundle
from audiossl.bundle.published import import_published
from audiossl.bundle.published_uclser20 import INPUT_SCALE, MEAN, STD, read_uclser20
from audiossl.encoders.resnet import ResNet18
from audiossl.errors import CheckpointError
from audiossl.recipe.encoders import CrnnConfig, ResNet18Config, VggLikeConfig
from audiossl.recipe.frontends import FonsecaConfig
from tests.bundle import slow
from tests.encoders.fill import fill

CONFIGS = {"vgg": VggLikeConfig(), "crnn": CrnnConfig(), "resnet": ResNet18Config()}
CLASSIFIERS = {"vgg": "dense_out", "crnn": "dense", "resnet": "fc"}
VGG_CHANNELS = [1, 32, 32, 32, 64, 64, 128]


def published_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Every name and shape of the published file."""
    shapes: dict[str, tuple[int, ...]] = {}
    if network == "vgg":
        for i in range(6):
            shapes[f"conv{i}.conv.weight"] = (VGG_CHANNELS[i + 1], VGG_CHANNELS[i], 3, 3)
            shapes |= slow.batch_norm_shapes(f"conv{i}.bn", VGG_CHANNELS[i + 1])
        return shapes | {
            "dense1.weight": (512, 256),
            "dense1.bias": (512,),
            "dense_out.weight": (20, 512),
            "dense_out.bias": (20,),
        }
    if network == "crnn":
        for i in (1, 2, 3):
            shapes[f"conv{i}.conv.weight"] = (128, 1 if i == 1 else 128, 5, 5)
            shapes |= slow.batch_norm_shapes(f"conv{i}.bn", 128)
        for end in ("", "_reverse"):
            shapes |= {f"rnn1.weight_ih_l0{end}": (192, 256), f"rnn1.weight_hh_l0{end}": (192, 64)}
            shapes |= {f"rnn1.bias_ih_l0{end}": (192,), f"rnn1.bias_hh_l0{end}": (192,)}
        return shapes | {"dense.weight": (20, 64), "dense.bias": (20,)}
    # torchvision's ResNet-18 with one input channel and 20 classes.
    shapes = {"conv1.weight": (64, 1, 7, 7)} | slow.batch_norm_shapes("bn1", 64)
    for layer, (inputs, width) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], start=1):
        for block, channels in enumerate([inputs, width]):
            name = f"layer{layer}.{block}"
            shapes |= {f"{name}.conv1.weight": (width, channels, 3, 3)} | slow.batch_norm_shapes(f"{name}.bn1", width)
            shapes |= {f"{name}.conv2.weight": (width, width, 3, 3)} | slow.batch_norm_shapes(f"{name}.bn2", width)
            if channels != width:
                shapes |= {f"{name}.downsample.0.weight": (width, channels, 1, 1)}
                shapes |= slow.batch_norm_shapes(f"{name}.downsample.1", width)
    return shapes | {"fc.weight": (20, 512), "fc.bias": (20,)}


def vgg_as_published(w: slow.Weights, x_TF: np.ndarray) -> np.ndarray:
    maps = x_TF[None].astype(np.float64)
    for i in range(6):
        maps = slow.relu(slow.batch_norm(slow.conv(maps, w, f"conv{i}.conv"), w, f"conv{i}.bn"))
        if i in (2, 4, 5):
            maps = slow.max_pool(maps, 2, 2)
    pooled = np.concatenate([maps.max(axis=(1, 2)), maps.mean(axis=(1, 2))])
    return slow.relu(slow.linear(pooled, w, "dense1"))


def crnn_as_published(w: slow.Weights, x_TF: np.ndarray) -> np.ndarray:
    maps = x_TF[None].astype(np.float64)
    for i, bands in ((1, 5), (2, 4), (3, 2)):
        maps = slow.relu(slow.batch_norm(slow.conv(maps, w, f"conv{i}.conv"), w, f"conv{i}.bn"))
        maps = slow.max_pool(maps, 2, bands)
    steps = [np.concatenate([maps[:, t, f] for f in range(maps.shape[2])]) for t in range(maps.shape[1])]
    ahead = np.zeros(64)
    for step in steps:
        ahead = slow.gru_step(step, ahead, w, "rnn1", "")
    return ahead * slow.gru_step(steps[-1], np.zeros(64), w, "rnn1", "_reverse")


def save(path, weights: slow.Weights) -> None:
    torch.save({name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}, path)


@pytest.fixture(params=CONFIGS)
def network(request) -> str:
    return request.param


@pytest.fixture
def weights(network) -> slow.Weights:
    return slow.made_up(published_shapes(network))


@pytest.mark.parametrize(("network", "entries"), [("vgg", 40), ("crnn", 28), ("resnet", 122)])
def test_each_network_is_told_by_its_tensors_whatever_the_files_name(tmp_path, network, entries, weights):
    assert len(weights) == entries
    save(tmp_path / "some.pth", weights)
    read = read_uclser20(tmp_path / "some.pth")
    assert read.recipe.encoder == CONFIGS[network]
    assert set(weights) - set(read.weights) == {f"{CLASSIFIERS[network]}.{part}" for part in ("weight", "bias")}
    assert all(np.array_equal(tensor, weights[name]) for name, tensor in read.weights.items())
    assert (read.statistics.mean, read.statistics.std, read.statistics.scale) == (MEAN, STD, INPUT_SCALE)
    assert INPUT_SCALE == 36_660


@pytest.mark.parametrize(("network", "slowly"), [("vgg", vgg_as_published), ("crnn", crnn_as_published)])
def test_the_published_layers_give_the_same_embeddings(tmp_path, network, slowly, weights):
    save(tmp_path / "w.pth", weights)
    encoder = read_uclser20(tmp_path / "w.pth").bundle().encoder
    x_TF = np.random.default_rng(1).standard_normal((101, 96)).astype(np.float32)
    with torch.no_grad():
        found = encoder(torch.from_numpy(x_TF.T.copy())[None, None])[0].numpy()
    wanted = slowly(weights, x_TF)
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.shared
def test_an_imported_resnet_equals_the_papers_code(shared, tmp_path):
    filled = ResNet18(ResNet18Config(), 96, num_classes=20)
    fill(filled)
    torch.save(filled.state_dict(), tmp_path / "w.pth")
    with np.load(shared / "reference" / "uclser20_models.npz") as arrays:
        assert list(arrays["ResNet/keys"]) == list(published_shapes("resnet"))
        x_BFT, wanted = arrays["x_numpy_rs0"].astype(np.float32), arrays["ResNet/rs0_unit/embed"]
    bundle = read_uclser20(tmp_path / "w.pth").bundle()
    with torch.no_grad():
        found = bundle.encoder(torch.from_numpy(x_BFT).transpose(2, 3)).numpy()
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.shared
def test_the_published_vgg_embeds_real_patches_as_the_papers_code(shared):
    read = read_uclser20(shared / "weights" / "uclser20_VGG_best.pth")
    # 372 epochs of 124 batches, two views each: the note on the published file.
    assert read.weights["conv0.bn.num_batches_tracked"] == 92_256
    with np.load(shared / "reference" / "uclser20_models.npz") as arrays:
        mean, std, scale = arrays["real_mu_sd_scale"].tolist()
        patches_BTF, wanted = torch.from_numpy(arrays["real_patches_logmel"]), arrays["VGG/real/embed"]
    bundle = read.measured(mean, std).bundle()
    assert bundle.statistics.scale == scale
    with torch.inference_mode():
        ours = bundle.encoder(bundle.normalise(patches_BTF.float().transpose(1, 2).unsqueeze(1))).numpy()
    assert np.abs(ours - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.shared
def test_the_input_scale_brings_embeddings_apart(shared):
    encoder = read_uclser20(shared / "weights" / "uclser20_VGG_best.pth").bundle().encoder
    z_BCFT = torch.randn(4, 1, 96, 101, generator=torch.Generator().manual_seed(0))
    spread = [encoder(z_BCFT * scale).std(dim=0).mean() for scale in (1.0, INPUT_SCALE)]
    assert spread[1] > 20 * spread[0]


def test_a_bundle_made_from_the_weights_comes_back_from_its_file(tmp_path, network, weights):
    save(tmp_path / "w.pth", weights)
    made = import_published(read_uclser20(tmp_path / "w.pth").measured(-3.0, 2.0, 7), tmp_path / "e.safetensors")
    loaded = load_bundle(tmp_path / "e.safetensors")
    assert loaded.sha256 == made.sha256
    assert loaded.statistics == Statistics(-3.0, 2.0, 7, scale=36_660)
    assert (loaded.recipe.frontend, loaded.recipe.encoder) == (FonsecaConfig(), CONFIGS[network])
    # The patches of the paper: 101 frames, every half second.
    assert (loaded.recipe.embedding.window_s, loaded.recipe.embedding.hop_s) == (1.0, 0.5)
    sound = np.random.default_rng(0).standard_normal(33_000)
    assert np.array_equal(loaded.embed(sound, 22_050), made.embed(sound, 22_050))
    told = loaded.describe()
    assert "uclser20" in told["training"]["imported_from"] and told["data"]["manifest"] == "fsdnoisy18k"


def damage(weights: slow.Weights, kind: str) -> slow.Weights:
    middle = list(weights)[len(weights) // 2 // 6 * 6]
    if kind == "missing":
        del weights[middle]
    elif kind == "shape":
        weights[middle] = np.zeros((3, 7), np.float32)
    elif kind == "nan":
        weights[middle][0] = np.nan
    elif kind == "mixed":
        weights["projector.weight"] = np.zeros(1, np.float32)
    return weights


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", r"tensor \S+ is missing"),
        ("shape", r"tensor \S+ has shape \(3, 7\) instead of \(\d+"),
        ("nan", r"tensor \S+ holds values that are not finite"),
        ("mixed", r"tensor projector\.weight has no place in it"),
    ],
)
def test_the_first_wrong_tensor_is_named(tmp_path, network, weights, kind, told):
    save(tmp_path / "w.pth", damage(weights, kind))
    with pytest.raises(CheckpointError, match=rf"w\.pth: not the published (VGG-like|CRNN|ResNet-18).*: {told}"):
        read_uclser20(tmp_path / "w.pth")


def test_tensors_of_two_networks_in_one_file_are_refused(tmp_path):
    save(tmp_path / "w.pth", slow.made_up(published_shapes("resnet") | published_shapes("crnn")))
    with pytest.raises(CheckpointError, match=r"not the published ResNet-18: tensor conv1\.conv\.weight has no place"):
        read_uclser20(tmp_path / "w.pth")


def test_tensors_of_no_such_network_are_refused(tmp_path):
    save(tmp_path / "w.pth", {"embedding.weight": np.zeros(3, np.float32)})
    with pytest.raises(
        CheckpointError, match=r"its first tensor is embedding\.weight; give one of VGG_best\.pth, CRNN"
    ):
        read_uclser20(tmp_path / "w.pth")
    save(tmp_path / "w.pth", {})
    with pytest.raises(CheckpointError, match="it holds no tensor"):
        read_uclser20(tmp_path / "w.pth")

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.load import load_bundle
from audiossl.bundle.published import (
    UCLSER20_INPUT_SCALE,
    UCLSER20_MEAN,
    UCLSER20_STD,
    import_uclser20,
    read_uclser20_vgg,
    uclser20_vgg_bundle,
)
from audiossl.encoders.vgg import VggLike
from audiossl.errors import CheckpointError, UsageError, WriteError
from audiossl.recipe.encoders import VggLikeConfig
from audiossl.recipe.frontends import FonsecaConfig


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return VggLike(VggLikeConfig(), 96, num_classes=20).state_dict()


def test_a_state_dict_of_the_network_is_read(tmp_path, weights):
    torch.save(weights, tmp_path / "vgg.pth")
    published = read_uclser20_vgg(tmp_path / "vgg.pth")
    encoder = VggLike(published.encoder, published.frontend.n_mels, published.num_classes)
    encoder.load_state_dict(published.state_dict, strict=True)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in encoder.state_dict().items())
    assert published.input_scale == UCLSER20_INPUT_SCALE == 36_660


@pytest.mark.shared
def test_the_published_weights_are_read(shared):
    published = read_uclser20_vgg(shared / "weights" / "uclser20_VGG_best.pth")
    assert len(published.state_dict) == 40
    # 372 epochs of 124 batches, two views each: the note on the published file.
    assert published.state_dict["conv0.bn.num_batches_tracked"] == 92_256


@pytest.mark.shared
def test_the_input_scale_brings_embeddings_apart(shared):
    published = read_uclser20_vgg(shared / "weights" / "uclser20_VGG_best.pth")
    encoder = VggLike(published.encoder, 96, 20).eval()
    encoder.load_state_dict(published.state_dict)
    z_BCFT = torch.randn(4, 1, 96, 101, generator=torch.Generator().manual_seed(0))
    spread = [encoder(z_BCFT * scale).std(dim=0).mean() for scale in (1.0, published.input_scale)]
    assert spread[1] > 20 * spread[0]


def damage(weights: dict[str, torch.Tensor], kind: str) -> object:
    if kind == "missing":
        del weights["conv3.conv.weight"]
    elif kind == "shape":
        weights["dense1.weight"] = torch.zeros(512, 128)
    elif kind == "extra":
        weights["fc.weight"] = torch.zeros(1)
    elif kind == "nan":
        weights["conv1.bn.running_var"][3] = float("nan")
    return {"state_dict": weights} if kind == "wrapped" else weights


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"conv3\.conv\.weight is missing"),
        ("shape", r"dense1\.weight has shape \(512, 128\) instead of \(512, 256\)"),
        ("extra", r"fc\.weight has no place in it"),
        ("nan", r"conv1\.bn\.running_var holds values that are not finite"),
        ("wrapped", "holds something other than a state dict"),
    ],
)
def test_the_first_wrong_tensor_is_named(tmp_path, weights, kind, message):
    torch.save(damage(weights, kind), tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError, match=rf"vgg\.pth: .*{message}"):
        read_uclser20_vgg(tmp_path / "vgg.pth")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, weights):
    with pytest.raises(CheckpointError, match="no such file"):
        read_uclser20_vgg(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    torch.save(weights, tmp_path / "vgg.pth")
    content = (tmp_path / "vgg.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    for name in ("text.pth", "cut.pth"):
        with pytest.raises(CheckpointError, match=rf"{name}: not a readable torch checkpoint"):
            read_uclser20_vgg(tmp_path / name)


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys):
    torch.save({"conv0.conv.weight": _Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="not a readable torch checkpoint of plain tensors"):
        read_uclser20_vgg(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.shared
def test_the_bundle_embeds_real_patches_as_the_papers_code(shared):
    with np.load(shared / "reference" / "uclser20_models.npz") as arrays:
        mean, std, scale = arrays["real_mu_sd_scale"].tolist()
        patches_BTF, wanted = torch.from_numpy(arrays["real_patches_logmel"]), arrays["VGG/real/embed"]
    bundle = uclser20_vgg_bundle(shared / "weights" / "uclser20_VGG_best.pth", mean=mean, std=std)
    assert bundle.statistics.scale == scale
    with torch.inference_mode():
        ours = bundle.encoder(bundle.normalise(patches_BTF.float().transpose(1, 2).unsqueeze(1))).numpy()
    assert np.abs(ours - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_a_bundle_made_from_the_weights_comes_back_from_its_file(tmp_path, weights):
    torch.save(weights, tmp_path / "vgg.pth")
    made = import_uclser20(tmp_path / "vgg.pth", tmp_path / "vgg.safetensors", mean=-3.0, std=2.0, items=7)
    loaded = load_bundle(tmp_path / "vgg.safetensors")
    assert loaded.sha256 == made.sha256
    assert loaded.statistics == Statistics(-3.0, 2.0, 7, scale=36_660)
    assert (loaded.recipe.frontend, loaded.recipe.encoder) == (FonsecaConfig(), VggLikeConfig())
    # The patches of the paper: 101 frames, every half second.
    assert (loaded.recipe.embedding.window_s, loaded.recipe.embedding.hop_s) == (1.0, 0.5)
    found = loaded.encoder.state_dict()
    assert set(weights) - set(found) == {"dense_out.weight", "dense_out.bias"}
    assert all(torch.equal(found[name], weights[name]) for name in found)
    sound = np.random.default_rng(0).standard_normal(33_000)
    assert np.array_equal(loaded.embed(sound, 22_050), made.embed(sound, 22_050))


def test_the_bundle_says_where_it_came_from(tmp_path, weights):
    torch.save(weights, tmp_path / "vgg.pth")
    bundle = uclser20_vgg_bundle(tmp_path / "vgg.pth")
    assert (bundle.statistics.mean, bundle.statistics.std) == (UCLSER20_MEAN, UCLSER20_STD)
    training = bundle.describe()["training"]
    assert "uclser20" in training["imported_from"]
    assert training["file_sha256"] == hashlib.sha256((tmp_path / "vgg.pth").read_bytes()).hexdigest()
    assert bundle.describe()["data"]["manifest"] == "fsdnoisy18k"


def test_importing_leaves_the_global_random_state_alone(tmp_path, weights):
    torch.save(weights, tmp_path / "vgg.pth")
    state = torch.get_rng_state()
    uclser20_vgg_bundle(tmp_path / "vgg.pth")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["missing", "shape", "extra", "nan", "wrapped"])
def test_foreign_weights_leave_nothing_behind(tmp_path, weights, kind):
    torch.save(damage(weights, kind), tmp_path / "vgg.pth")
    with pytest.raises(CheckpointError):
        import_uclser20(tmp_path / "vgg.pth", tmp_path / "out" / "vgg.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["vgg.pth"]


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_statistics_that_cannot_be_are_a_usage_error(tmp_path, weights, mean, std):
    torch.save(weights, tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="std above 0"):
        import_uclser20(tmp_path / "vgg.pth", tmp_path / "vgg.safetensors", mean=mean, std=std)
    assert not (tmp_path / "vgg.safetensors").exists()


def test_a_place_that_cannot_be_written_is_a_write_error(tmp_path, weights):
    torch.save(weights, tmp_path / "vgg.pth")
    with pytest.raises(WriteError):
        import_uclser20(tmp_path / "vgg.pth", tmp_path / "vgg.pth" / "vgg.safetensors")

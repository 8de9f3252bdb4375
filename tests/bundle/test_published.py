from __future__ import annotations

import pytest
import torch

from audiossl.bundle.published import UCLSER20_INPUT_SCALE, read_uclser20_vgg
from audiossl.encoders.vgg import VggLike
from audiossl.errors import CheckpointError
from audiossl.recipe.encoders import VggLikeConfig


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

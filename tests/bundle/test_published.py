"""What all published weights share: files are read without trust, and a bundle is written whole or not at all."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from audiossl.bundle.published import Published, import_published, read_state_dict
from audiossl.bundle.published_byola import read_byola, read_byola_v2
from audiossl.bundle.published_resnet18 import read_resnet18
from audiossl.bundle.published_uclser20 import read_uclser20
from audiossl.encoders.vgg import VggLike
from audiossl.errors import CheckpointError, UsageError, WriteError
from audiossl.recipe.encoders import VggLikeConfig


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return VggLike(VggLikeConfig(), 96, num_classes=20).state_dict()


@pytest.fixture
def published(tmp_path, weights) -> Published:
    torch.save(weights, tmp_path / "vgg.pth")
    return read_uclser20(tmp_path / "vgg.pth")


@pytest.mark.parametrize("read", [read_uclser20, read_byola, read_byola_v2, read_resnet18])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, weights, read):
    with pytest.raises(CheckpointError, match="no such file"):
        read(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save(weights, tmp_path / "vgg.pth")
    content = (tmp_path / "vgg.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    for path in (tmp_path / "text.pth", tmp_path / "empty.pth", tmp_path / "cut.pth", tmp_path):
        with pytest.raises(CheckpointError, match=rf"{path.name}: not a readable torch checkpoint"):
            read(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {"epoch": 3}}, torch.zeros(3)])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: holds something other than a state dict"):
        read_state_dict(tmp_path / "other.pth")


def test_a_state_dict_inside_a_checkpoint_is_unwrapped(tmp_path):
    for content in ({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, {"state_dict": {"model": {"a": torch.ones(2)}}}):
        torch.save(content, tmp_path / "w.pth")
        assert {name: tensor.tolist() for name, tensor in read_state_dict(tmp_path / "w.pth").items()} == {"a": [1, 1]}


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("read", [read_uclser20, read_byola, read_byola_v2, read_resnet18])
def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys, read):
    torch.save({"conv0.conv.weight": _Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="not a readable torch checkpoint of plain tensors"):
        read(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out


def test_the_bundle_names_the_file_and_its_hash(tmp_path, published):
    training = published.bundle().describe()["training"]
    assert training["file"] == "vgg.pth"
    assert training["file_sha256"] == hashlib.sha256((tmp_path / "vgg.pth").read_bytes()).hexdigest()


def test_importing_leaves_the_global_random_state_alone(tmp_path, published):
    state = torch.get_rng_state()
    import_published(published, tmp_path / "e.safetensors")
    assert torch.equal(torch.get_rng_state(), state)


def test_measured_statistics_change_the_normalisation_alone(published):
    before, after = published.bundle(), published.measured(-1.0, 2.0, 5).bundle()
    assert (after.statistics.mean, after.statistics.std, after.statistics.items) == (-1.0, 2.0, 5)
    assert after.statistics.scale == before.statistics.scale
    sound = np.random.default_rng(0).standard_normal(22_050)
    assert not np.allclose(before.embed(sound, 22_050), after.embed(sound, 22_050))
    assert all(map(torch.equal, before.encoder.state_dict().values(), after.encoder.state_dict().values()))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_statistics_that_cannot_be_are_a_usage_error(published, mean, std):
    with pytest.raises(UsageError, match="std above 0"):
        published.measured(mean, std)


def test_a_place_that_cannot_be_written_is_a_write_error(tmp_path, published):
    with pytest.raises(WriteError):
        import_published(published, tmp_path / "vgg.pth" / "vgg.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["vgg.pth"]

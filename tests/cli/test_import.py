"""`audiossl import`: options, measured statistics, and faults that leave nothing behind."""

import json

import numpy as np
import pytest
import soundfile as sf

from audiossl_cli import app as cli


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A state dict of the network with random weights, in the folder where we stand."""
    import torch

    from audiossl.encoders.vgg import VggLike
    from audiossl.recipe.encoders import VggLikeConfig

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    torch.save(VggLike(VggLikeConfig(), 96, num_classes=20).state_dict(), tmp_path / "vgg.pth")
    return tmp_path / "vgg.pth"


def test_the_encoder_can_be_loaded_and_its_path_is_printed(weights, capsys):
    from audiossl.bundle.load import load_bundle

    assert cli.run(["import", "uclser20", "vgg.pth", "--out", "vgg.safetensors", "--mean", "-3", "--std", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "vgg.safetensors\n"
    assert "mean -3, std 2, scale 36660" in captured.err
    statistics = load_bundle("vgg.safetensors").statistics
    assert (statistics.mean, statistics.std, statistics.scale) == (-3.0, 2.0, 36_660)


@pytest.mark.parametrize(("command", "name"), [("byol-a", "AudioNtt2020"), ("byol-a-v2", "AudioNtt2022")])
def test_byol_a_is_told_on_stdout_as_json(tmp_path, monkeypatch, capsys, command, name):
    import torch

    from audiossl.encoders import audiontt
    from audiossl.recipe import encoders

    monkeypatch.chdir(tmp_path)
    encoder = getattr(audiontt, name)(getattr(encoders, f"{name}Config")(), 64)
    torch.save({f"module.{key}": tensor for key, tensor in encoder.state_dict().items()}, "byola.pth")
    assert cli.run(["import", command, "byola.pth", "--out", "e.safetensors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bundle"] == "e.safetensors" and told["embedding_dim"] == encoder.embedding_dim
    assert told["encoder"]["name"] == name.lower() and told["frontend"]["mel_norm"] == "slaney"
    assert told["statistics"]["scale"] == 1


def test_statistics_are_measured_on_the_named_sounds(weights, tmp_path, capsys):
    from audiossl.audio.frontend import build_frontend
    from audiossl.recipe.frontends import FonsecaConfig

    (tmp_path / "sounds").mkdir()
    frontend, values = build_frontend(FonsecaConfig()), []
    for number in range(2):
        sound = 0.1 * np.random.default_rng(number).standard_normal(22_050 + 7000 * number)
        sf.write(tmp_path / "sounds" / f"{number}.wav", sound, 22_050, subtype="FLOAT")
        values.append(frontend(torch_row(frontend.prepare(sound.astype(np.float32)))).numpy().ravel())
    command = ["import", "uclser20", "vgg.pth", "--out", "e.safetensors", "--statistics-from", "sounds", "--json"]
    assert cli.run(command) == 0
    told = json.loads(capsys.readouterr().out)
    expected = np.concatenate(values)
    assert told["bundle"] == "e.safetensors"
    assert told["statistics"]["mean"] == pytest.approx(expected.mean(), abs=1e-3)
    assert told["statistics"]["std"] == pytest.approx(expected.std(), abs=1e-3)
    assert told["statistics"]["items"] == 2


def torch_row(samples):
    import torch

    return torch.from_numpy(samples)[None]


@pytest.mark.parametrize("fault", ["missing", "cut", "foreign"])
@pytest.mark.parametrize("extra", [[], ["--statistics-from", "nowhere"]])
@pytest.mark.parametrize("command", ["uclser20", "byol-a", "byol-a-v2", "resnet18"])
def test_weights_that_cannot_be_used_are_exit_code_3_and_nothing_is_written(weights, capsys, fault, extra, command):
    import torch

    if fault == "missing":
        weights.unlink()
    elif fault == "cut":
        weights.write_bytes(weights.read_bytes()[:5000])
    else:
        torch.save({"fc.weight": torch.zeros(3)}, weights)
    before = sorted(path.name for path in weights.parent.iterdir())
    assert cli.run(["import", command, "vgg.pth", "--out", "new/e.safetensors", *extra]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith("vgg.pth: ") and captured.err.count("\n") == 1
    assert captured.out == ""
    assert sorted(path.name for path in weights.parent.iterdir()) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--mean", "-3"],
        ["--std", "1"],
        ["--mean", "-3", "--std", "0"],
        ["--mean", "-3", "--std", "1", "--statistics-from", "sounds"],
        ["--data", "sounds"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_exit_code_2(weights, options):
    assert cli.run(["import", "uclser20", "vgg.pth", "--out", "e.safetensors", *options]) == 2
    assert not (weights.parent / "e.safetensors").exists()

"""BYOL-A's published networks: from a sound to the embedding as the papers say it, and what wrong files are told."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from audiossl.bundle.load import load_bundle
from audiossl.bundle.published import import_published
from audiossl.bundle.published_byola import MEAN, STD, read_byola, read_byola_v2
from audiossl.errors import CheckpointError
from audiossl.recipe.encoders import AudioNtt2020Config, AudioNtt2022Config
from audiossl.recipe.frontends import ByolaConfig
from tests.bundle import slow

READ = {"v1": read_byola, "v2": read_byola_v2}
BLOCKS = {"v1": 3, "v2": 2}


def published_shapes(version: str, dim: int = 512) -> dict[str, tuple[int, ...]]:
    """Every name and shape of the published files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for block in range(BLOCKS[version]):
        shapes |= {f"features.{4 * block}.weight": (64, 64 if block else 1, 3, 3), f"features.{4 * block}.bias": (64,)}
        shapes |= slow.batch_norm_shapes(f"features.{4 * block + 1}", 64)
    inputs, hidden, outputs = (512, dim, dim) if version == "v1" else (1024, 2048, 2048)
    return shapes | {
        "fc.0.weight": (hidden, inputs),
        "fc.0.bias": (hidden,),
        "fc.3.weight": (outputs, hidden),
        "fc.3.bias": (outputs,),
    }


def as_published(version: str, w: slow.Weights, x_FT: np.ndarray) -> np.ndarray:
    """The embedding of one normalised log-mel (64, T)."""
    maps = x_FT[None].astype(np.float64)
    for block in range(BLOCKS[version]):
        maps = slow.conv(maps, w, f"features.{4 * block}")
        maps = slow.max_pool(slow.relu(slow.batch_norm(maps, w, f"features.{4 * block + 1}")), 2, 2)
    # Per frame all channels of the first band, then all channels of the second.
    frames = np.stack([np.concatenate([maps[:, f, t] for f in range(maps.shape[1])]) for t in range(maps.shape[2])])
    deep = slow.relu(slow.linear(slow.relu(slow.linear(frames, w, "fc.0")), w, "fc.3"))
    frames = deep if version == "v1" else np.concatenate([frames, deep], axis=1)
    return frames.max(axis=0) + frames.mean(axis=0)


def log_mel_as_published(sound: np.ndarray) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=sound,
        sr=16_000,
        n_fft=1024,
        hop_length=160,
        win_length=1024,
        n_mels=64,
        fmin=60,
        fmax=7800,
        pad_mode="reflect",
    )
    return np.log(mel + np.finfo(np.float32).eps)


def save(path, weights: slow.Weights, prefix: str = "", **beside) -> None:
    tensors = {prefix + name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}
    torch.save({**tensors, **beside}, path)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize(
    ("version", "dim", "parameters"),
    [("v1", 512, 600_192), ("v1", 1024, 1_649_792), ("v1", 2048, 5_321_856), ("v2", 3072, 6_333_376)],
)
def test_the_published_layers_give_the_same_embeddings(tmp_path, version, dim, parameters):
    weights = slow.made_up(published_shapes(version, dim))
    save(tmp_path / "w.pth", weights)
    bundle = READ[version](tmp_path / "w.pth").bundle()
    assert bundle.embedding_dim == dim
    assert sum(weight.numel() for weight in bundle.encoder.parameters()) == parameters
    x_BFT = np.random.default_rng(1).standard_normal((2, 64, 50)).astype(np.float32)
    with torch.no_grad():
        found = bundle.encoder(torch.from_numpy(x_BFT)[:, None]).numpy()
    assert relative(found, np.stack([as_published(version, weights, x_FT) for x_FT in x_BFT])) < 1e-5


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_sound_is_embedded_from_the_log_mel_of_librosa(tmp_path, version):
    weights = slow.made_up(published_shapes(version))
    save(tmp_path / "w.pth", weights)
    bundle = READ[version](tmp_path / "w.pth").measured(-6.5, 4.5).bundle()
    t = np.arange(20_000) / 16_000
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(t))
    sound = (0.3 * np.sin(2 * np.pi * (200 + 800 * t) * t) + noise).astype(np.float32)
    wanted = as_published(version, weights, (log_mel_as_published(sound) + 6.5) / 4.5)
    assert relative(bundle.embed(sound, 16_000), wanted) < 2e-5
    assert bundle.recipe.frontend == ByolaConfig()
    assert (bundle.statistics.mean, bundle.statistics.std, bundle.statistics.scale) == (-6.5, 4.5, 1.0)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("prefix", ["model.", "module.", "learner.online_encoder.net."])
def test_names_may_stand_behind_a_prefix_and_the_state_dict_in_a_checkpoint(tmp_path, version, prefix):
    weights = slow.made_up(published_shapes(version))
    tensors = {prefix + name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}
    beside = {"learner.online_encoder.projector.net.0.weight": torch.zeros(3)} if "online" in prefix else {}
    others = {f"learner.target_encoder.net.{name}": torch.zeros(1) for name in weights} if "online" in prefix else {}
    for content in (tensors | beside | others, {"state_dict": tensors | beside, "epoch": 3}, {"model": tensors}):
        torch.save(content, tmp_path / "w.pth")
        read = READ[version](tmp_path / "w.pth").weights
        assert set(read) == set(weights)
        assert all(np.array_equal(read[name], value) for name, value in weights.items())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_bundle_comes_back_from_its_file_and_says_what_it_is(tmp_path, version):
    save(tmp_path / "w.pth", slow.made_up(published_shapes(version)))
    made = import_published(READ[version](tmp_path / "w.pth"), tmp_path / "e.safetensors")
    loaded = load_bundle(tmp_path / "e.safetensors")
    sound = np.random.default_rng(0).standard_normal(12_000).astype(np.float32)
    assert loaded.sha256 == made.sha256
    assert np.array_equal(loaded.embed(sound, 16_000), made.embed(sound, 16_000))
    assert loaded.recipe.encoder == (AudioNtt2020Config() if version == "v1" else AudioNtt2022Config())
    assert (loaded.statistics.mean, loaded.statistics.std, loaded.statistics.items) == (MEAN, STD, 0)
    told = loaded.describe()
    assert "nttcslab/byol-a" in told["training"]["imported_from"] and told["data"]["manifest"] == "audioset"
    # Nothing says ESC-50, which the recipes of the same name train on.
    assert loaded.recipe.data.manifest == "audioset" and "AudioSet" in loaded.recipe.description


def damage(weights: slow.Weights, kind: str) -> slow.Weights:
    if kind == "missing":
        del weights["features.4.bias"]
    elif kind == "shape":
        weights["fc.3.weight"] = np.zeros((100, 512), np.float32)
    elif kind == "bands":
        weights["fc.0.weight"] = np.zeros((len(weights["fc.0.weight"]), 640), np.float32)
    elif kind == "extra":
        weights["projector.0.weight"] = np.zeros(3, np.float32)
    elif kind == "infinite":
        weights["features.1.running_mean"][5] = np.inf
    return weights


FAULTS = [
    ("missing", r"features\.4\.bias is missing"),
    ("shape", r"fc\.3\.weight has shape \(100, 512\) instead of"),
    ("bands", r"fc\.0\.weight has shape \(\d+, 640\) instead of"),
    ("extra", r"projector\.0\.weight has no place in it"),
    ("infinite", r"features\.1\.running_mean holds values that are not finite"),
]


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(("kind", "told"), FAULTS)
def test_the_first_wrong_tensor_is_named(tmp_path, version, kind, told):
    save(tmp_path / "w.pth", damage(slow.made_up(published_shapes(version)), kind))
    with pytest.raises(CheckpointError, match=rf"w\.pth: not the published AudioNTT202[02]: tensor {told}"):
        READ[version](tmp_path / "w.pth")


def test_weights_of_the_other_version_are_sent_to_the_other_command(tmp_path):
    save(tmp_path / "v1.pth", slow.made_up(published_shapes("v1")))
    save(tmp_path / "v2.pth", slow.made_up(published_shapes("v2")))
    with pytest.raises(CheckpointError, match=r"features\.8\.weight is missing; .*`audiossl import byol-a-v2`"):
        read_byola(tmp_path / "v2.pth")
    with pytest.raises(CheckpointError, match=r"features\.8\.weight has no place in it; .*`audiossl import byol-a`"):
        read_byola_v2(tmp_path / "v1.pth")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_file_of_another_network_or_of_two_is_refused(tmp_path, version):
    torch.save({"conv0.conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other\.pth: .*tensor features\.0\.weight is missing"):
        READ[version](tmp_path / "other.pth")
    tensors = {name: torch.from_numpy(np.asarray(v)) for name, v in slow.made_up(published_shapes(version)).items()}
    torch.save({f"{net}.{name}": v for net in ("a", "b") for name, v in tensors.items()}, tmp_path / "two.pth")
    with pytest.raises(CheckpointError, match=r"two\.pth: holds several networks, of a\. and b\."):
        READ[version](tmp_path / "two.pth")

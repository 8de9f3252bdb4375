"""F39: whatever is wrong with a bundle file is a `CheckpointError` that says what, and nothing is half loaded."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from audiossl.bundle.load import load_bundle
from audiossl.bundle.metadata import KEY, PREFIX, compose, read_metadata
from audiossl.bundle.save import serialise
from audiossl.bundle.untrained import untrained_bundle
from audiossl.errors import CheckpointError
from audiossl.recipe.encoders import AudioNtt2020Config
from tests.bundle.wings import PICTURES, SOUNDS, WINGS

RECIPE, STATISTICS = SOUNDS.recipe, SOUNDS.statistics


@pytest.fixture(scope="module")
def encoder():
    return untrained_bundle(RECIPE, STATISTICS, seed=1).encoder


@pytest.fixture(scope="module", params=WINGS, ids=lambda wing: wing.name)
def good(request) -> bytes:
    wing = request.param
    encoder = untrained_bundle(wing.recipe, wing.statistics, seed=1).encoder
    return serialise(encoder=encoder, recipe=wing.recipe, statistics=wing.statistics)


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_bundle(path)
    assert str(path) in str(caught.value) and caught.value.exit_code == 3
    return str(caught.value)


def about(**changes: object) -> dict[str, object]:
    return {**json.loads(compose(RECIPE, vars(STATISTICS), 32)), **changes}


def remade(encoder, metadata: object, **tensors: torch.Tensor | None) -> bytes:
    weights = {PREFIX + name: weight.contiguous() for name, weight in encoder.state_dict().items()}
    weights.update({name.replace("__", "."): weight for name, weight in tensors.items() if weight is not None})
    for name, weight in tensors.items():
        if weight is None:
            del weights[name.replace("__", ".")]
    return save(weights, metadata={KEY: metadata if isinstance(metadata, str) else json.dumps(metadata)})


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 1000, -1000, -1])
def test_a_cut_file(good, tmp_path, length):
    refused(tmp_path / "e.safetensors", good[:length])


@pytest.mark.parametrize("content", [b"hello, this is a text file\n" * 100, bytes(5000), b"\xff" * 5000])
def test_something_else(tmp_path, content):
    assert "not a bundle" in refused(tmp_path / "e.safetensors", content)


@pytest.mark.parametrize("size", [2**63, 2**40, 10**8])
def test_a_header_that_claims_to_be_huge(good, tmp_path, size):
    assert f"{size:,}" in refused(tmp_path / "e.safetensors", struct.pack("<Q", size) + good[8:])


def test_a_header_nested_too_deep(tmp_path):
    header = b"[" * 200_000
    refused(tmp_path / "e.safetensors", struct.pack("<Q", len(header)) + header)


def test_a_torch_checkpoint_is_named_as_such_and_never_unpickled(tmp_path):
    path = tmp_path / "e.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"cos\nsystem\n(S'touch %s'\ntR." % bytes(tmp_path / "ran"))
    assert "PyTorch checkpoint" in refused(path, path.read_bytes())
    assert not (tmp_path / "ran").exists()
    torch.save({}, path, _use_new_zipfile_serialization=False)
    assert "PyTorch checkpoint" in refused(path, path.read_bytes())


def test_a_safetensors_file_that_is_no_bundle(tmp_path):
    assert "not an audiossl bundle" in refused(tmp_path / "e.safetensors", save({"w": torch.zeros(3)}))


def test_missing_extra_misshapen_and_not_finite_tensors_are_named(encoder, tmp_path):
    name = next(iter(encoder.state_dict()))
    full, key = PREFIX + name, (PREFIX + name).replace(".", "__")
    shape = encoder.state_dict()[name].shape
    path = tmp_path / "e.safetensors"
    assert f"{full} is missing" in refused(path, remade(encoder, about(), **{key: None}))
    assert "encoder.extra is not one" in refused(path, remade(encoder, about(), encoder__extra=torch.zeros(2)))
    assert "tensor head is not one" in refused(path, remade(encoder, about(), head=torch.zeros(2)))
    assert f"{full} is float32 (3, 3)" in refused(path, remade(encoder, about(), **{key: torch.zeros(3, 3)}))
    assert f"{full} is float64" in refused(path, remade(encoder, about(), **{key: torch.zeros(shape).double()}))
    assert f"{full} holds values" in refused(path, remade(encoder, about(), **{key: torch.full(shape, torch.nan)}))


def test_an_encoder_too_large_for_memory_is_refused_by_its_shapes_before_it_is_made(encoder, tmp_path):
    bomb = about()
    bomb["recipe"] = RECIPE.model_copy(update={"encoder": AudioNtt2020Config(dim=2_000_000)}).model_dump(mode="json")
    assert "its encoder wants" in refused(tmp_path / "e.safetensors", remade(encoder, bomb))


def test_a_newer_format_says_what_to_install(encoder, tmp_path):
    newer = about(format=2, audiossl="9.1.0", something_new={})
    message = refused(tmp_path / "e.safetensors", remade(encoder, newer))
    assert message.endswith("made by audiossl 9.1.0; install that version or newer")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("[]", "not an audiossl bundle"),
        ("{", "not an audiossl bundle"),
        ({}, "not an audiossl bundle"),
        (about(surprise=1), "surprise"),
        (about(embedding_dim=33), "33"),
        (about(embedding_dim="many"), "embedding_dim"),
        (about(statistics={"mean": 0, "std": 0}), "statistics.std"),
        (about(recipe={"encoder": {"name": "no_such"}}), "recipe.encoder"),
        (about(recipe={"frontend": {"name": "logmel", "f_max": 1e9}}), "recipe.frontend"),
    ],
)
def test_metadata_that_makes_no_sense(encoder, tmp_path, metadata, said):
    assert said in refused(tmp_path / "e.safetensors", remade(encoder, metadata))


@pytest.mark.parametrize(
    ("statistics", "said"),
    [
        ({"mean": [0.5, 0.5, 0.5], "std": [1.0, 1.0]}, "its statistics cannot be"),
        ({"mean": [0.5, 0.5, 0.5], "std": [1.0, 0.0, 1.0]}, "statistics.std"),
        ({"mean": [0.5, 0.5], "std": [1.0, 1.0]}, "of 2 channels, its front end gives 3"),
        ({"mean": [], "std": []}, "its statistics"),
        ({"mean": "grey", "std": 1.0}, "statistics.mean"),
    ],
)
def test_statistics_of_channels_that_are_not_there(tmp_path, statistics, said):
    pictures = untrained_bundle(PICTURES.recipe, PICTURES.statistics, seed=1)
    metadata = json.loads(compose(PICTURES.recipe, vars(PICTURES.statistics), 64)) | {"statistics": statistics}
    assert said in refused(tmp_path / "e.safetensors", remade(pictures.encoder, metadata))


@given(content=st.binary(max_size=300), size=st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_only_a_checkpoint_error_escapes_from_any_header(content, size):
    with pytest.raises(CheckpointError):
        read_metadata(struct.pack("<Q", size) + content, "e.safetensors")


def test_no_file_a_fifo_and_an_empty_folder(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, said in [("none", "no such"), ("fifo", "not a regular file"), (".", "0 bundles")]:
        with pytest.raises(CheckpointError, match=said):
            load_bundle(tmp_path / path)

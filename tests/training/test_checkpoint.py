"""A checkpoint is whole or refused, and never runs what a stranger put into it (F24, F25)."""

from __future__ import annotations

import io
import os
import pickle  # noqa: TID251 - to make the attack that must fail
from hashlib import sha256

import pytest
import torch

from audiossl.errors import CheckpointError
from audiossl.training.checkpoint import MARK, load_checkpoint, read_checkpoint, save_checkpoint


def state(step: int) -> dict:
    return {"version": "0.1.0", "step": step, "method": {"w": torch.full((3,), float(step))}}


def test_nothing_is_none(tmp_path):
    assert load_checkpoint(tmp_path) is None


def test_last_and_previous_are_kept(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert load_checkpoint(tmp_path)["step"] == 3
    assert read_checkpoint(tmp_path / "previous.ckpt")["step"] == 2
    assert torch.equal(load_checkpoint(tmp_path)["method"]["w"], torch.full((3,), 3.0))


DAMAGES = [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: os.urandom(len(b)), lambda b: b[:-1]]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_falls_back_to_previous_with_a_warning(tmp_path, damage):
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    last = tmp_path / "last.ckpt"
    last.write_bytes(damage(last.read_bytes()))
    with pytest.warns(UserWarning, match=r"last\.ckpt.*previous\.ckpt"):
        assert load_checkpoint(tmp_path)["step"] == 1


def test_one_flipped_bit_is_noticed(tmp_path):
    save_checkpoint(tmp_path, state(1))
    path = tmp_path / "last.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="--fresh"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("there", [["next.ckpt", "last.ckpt"], ["next.ckpt", "previous.ckpt"], ["previous.ckpt"]])
def test_a_kill_between_the_renames_leaves_a_whole_checkpoint(tmp_path, there):
    for number, name in enumerate(reversed(there)):
        save_checkpoint(tmp_path / "made", state(number))
        (tmp_path / "made/last.ckpt").replace(tmp_path / name)
    assert load_checkpoint(tmp_path)["step"] == len(there) - 1


def test_a_newer_format_names_the_version_that_made_it(tmp_path):
    save_checkpoint(tmp_path, {**state(1), "format": 99, "version": "9.9"})
    with pytest.raises(CheckpointError, match=r"made by audiossl 9\.9"):
        load_checkpoint(tmp_path)


class Attack:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (self.marker,))


def test_a_pickle_payload_is_refused_and_not_run(tmp_path):
    marker = tmp_path / "it-ran"
    buffer = io.BytesIO()
    torch.save({"format": 1, "version": "x", "attack": Attack(str(marker))}, buffer, pickle_module=pickle)
    body = buffer.getvalue()
    (tmp_path / "last.ckpt").write_bytes(body + sha256(body).digest() + MARK)
    with pytest.raises(CheckpointError, match="more than tensors"):
        load_checkpoint(tmp_path)
    assert not marker.exists()

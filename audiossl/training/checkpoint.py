"""Checkpoints to resume from: written whole, `last` and `previous` kept, checked by a digest, never unpickled.

A file is the bytes of `torch.save` followed by their SHA-256 and a mark. It holds tensors and plain JSON types only.
"""

from __future__ import annotations

import io
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from audiossl.errors import CheckpointError
from audiossl.files import write_bytes

MARK = b"audiossl"
FORMAT = 1
TAIL = 32 + len(MARK)


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` to `folder/last.ckpt`; what was there becomes `previous.ckpt`.

    A process killed at any moment leaves at least one whole checkpoint, if there was one.

    Raises:
        WriteError: the disk is full; both files are as they were.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    content = buffer.getvalue()
    last = folder / "last.ckpt"
    write_bytes(folder / "next.ckpt", content + sha256(content).digest() + MARK)
    if last.exists():
        last.replace(folder / "previous.ckpt")
    (folder / "next.ckpt").replace(last)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint of `folder`, or None when there is none at all.

    A damaged `last.ckpt` is passed over with a warning in favour of `previous.ckpt`.

    Raises:
        CheckpointError: there are checkpoints and none can be read, or one was made by a newer audiossl.
    """
    problems: list[str] = []
    for name in ("next.ckpt", "last.ckpt", "previous.ckpt"):
        path = folder / name
        if path.exists():
            try:
                state = read_checkpoint(path)
            except CheckpointError as error:
                problems.append(str(error))
                continue
            if problems:
                warnings.warn(f"{problems[0]}; going on from {path}", UserWarning, stacklevel=2)
            return state
    if problems:
        raise CheckpointError("; ".join(problems) + "; start again with --fresh")
    return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state in one checkpoint file.

    Raises:
        CheckpointError: the file is cut, altered, not a checkpoint of audiossl, or of a newer version.
    """
    content = path.read_bytes()
    body, digest, mark = content[:-TAIL], content[-TAIL : -len(MARK)], content[-len(MARK) :]
    if mark != MARK or sha256(body).digest() != digest:
        raise CheckpointError(f"{path}: cut, altered, or not a checkpoint of audiossl")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}: holds more than tensors and plain values; it was not read") from error
    if state["format"] > FORMAT:
        raise CheckpointError(f"{path}: made by audiossl {state['version']}; install that version or a newer one")
    return state

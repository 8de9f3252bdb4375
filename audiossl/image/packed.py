"""Small pictures that come many to a file, as CIFAR's binary archive has them, made into files of their own.

A record is one byte for the class and then the red, the green and the blue plane of a square picture, row by row.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from audiossl.errors import DataError, WriteError


def unpack(packed: Mapping[str, Sequence[Path]], names: Path, side: int, folder: Path) -> None:
    """Write `folder/PART/CLASS/FILE_NUMBER.png` for every record, all or nothing.

    Args:
        packed: the files of each part.
        names: a text with the name of class 0, 1, ... on each line.
        side: of every picture, in pixels.
        folder: not there yet.

    Raises:
        DataError: a file cannot be read, is cut, or names a class that there is not.
        WriteError: the place cannot be written.
    """
    classes = _read(names).decode(errors="replace").split()
    pictures = {part: {path: _pictures(path, side, len(classes)) for path in paths} for part, paths in packed.items()}
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            for part, of_part in pictures.items():
                for name in classes:
                    (draft / part / name).mkdir(parents=True)
                for path, (labels, pixels_NHWC) in of_part.items():
                    for number, (label, pixels_HWC) in enumerate(zip(labels, pixels_NHWC, strict=True)):
                        place = draft / part / classes[label] / f"{path.stem}_{number:05}.png"
                        PIL.Image.fromarray(np.ascontiguousarray(pixels_HWC)).save(place, compress_level=1)
            os.sync()
            draft.chmod(0o755)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        why = error.strerror or error
        raise WriteError(f"{folder}: the pictures cannot be written ({why}); copy the set to where they can") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); unpack the whole archive") from error


def _pictures(path: Path, side: int, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels (N,) and pixels (N, H, W, 3)."""
    content, record = _read(path), 1 + 3 * side**2
    if not content or len(content) % record:
        raise DataError(
            f"{path}: {len(content):,} bytes are no whole number of records of {record:,}; the file is cut, get it anew"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = records[:, 0]
    if labels.max() >= classes:
        raise DataError(f"{path}: names class {labels.max()}, and there are only {classes}; the file is damaged")
    return labels, records[:, 1:].reshape(-1, 3, side, side).transpose(0, 2, 3, 1)

"""CIFAR's binary files become pictures, exactly; a cut or foreign file is told and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiossl.errors import DataError, WriteError
from audiossl.image.decode import decode
from audiossl.image.packed import unpack

SIDE = 4


def packed(path: Path, labels: list[int], seed: int = 0) -> np.ndarray:
    """Records in a file; gives their planes (N, 3, SIDE, SIDE)."""
    planes = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, SIDE, SIDE), dtype=np.uint8)
    path.write_bytes(b"".join(bytes([label]) + plane.tobytes() for label, plane in zip(labels, planes, strict=True)))
    return planes


def test_every_record_is_a_picture_of_its_class_and_part_to_the_last_bit(tmp_path: Path):
    (tmp_path / "names.txt").write_text("cat\nship\n\n")
    one, two, test = (packed(tmp_path / f"{name}.bin", [1, 0], seed) for seed, name in enumerate(["a", "b", "t"]))
    parts = {"train": [tmp_path / "a.bin", tmp_path / "b.bin"], "test": [tmp_path / "t.bin"]}
    unpack(parts, tmp_path / "names.txt", SIDE, tmp_path / "pictures")
    found = {path.relative_to(tmp_path / "pictures").as_posix(): path for path in tmp_path.glob("pictures/*/*/*")}
    wanted = {}
    for part, stem, planes in (("train", "a", one), ("train", "b", two), ("test", "t", test)):
        wanted[f"{part}/ship/{stem}_00000.png"], wanted[f"{part}/cat/{stem}_00001.png"] = planes
    assert set(found) == set(wanted)
    for name, pixels in wanted.items():
        np.testing.assert_array_equal(decode(found[name]).pixels, pixels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.bin: 0 bytes are no whole number of records of 49"),
        (bytes(97), "a.bin: 97 bytes are no whole number of records of 49; the file is cut"),
        (bytes([2]) + bytes(48), "a.bin: names class 2, and there are only 2; the file is damaged"),
        (None, "a.bin: cannot be read"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told_and_nothing_is_written(
    tmp_path: Path, content: bytes | None, message: str
):
    (tmp_path / "names.txt").write_text("cat\nship\n")
    if content is not None:
        (tmp_path / "a.bin").write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        unpack({"train": [tmp_path / "a.bin"]}, tmp_path / "names.txt", SIDE, tmp_path / "pictures")
    assert sorted(tmp_path.iterdir()) == before


def test_a_write_that_fails_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "names.txt").write_text("cat\nship\n")
    packed(tmp_path / "a.bin", [0, 1])

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("audiossl.image.packed.os.sync", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(WriteError, match=r"pictures: .*No space left on device"):
        unpack({"train": [tmp_path / "a.bin"]}, tmp_path / "names.txt", SIDE, tmp_path / "pictures")
    assert sorted(tmp_path.iterdir()) == before

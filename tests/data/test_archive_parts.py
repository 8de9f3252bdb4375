"""Archives in several parts: split zips by the tool and by the book, and archives that were only cut into pieces."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
import zipfile

import pytest

from audiossl.data.archive import unpack
from audiossl.errors import DataError
from tests.data.archives import content, tarred, zipped


def split(folder, members, size="64k"):
    """A split zip by the tool `zip`, the members in this order; its parts."""
    for name, text in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    subprocess.run(["zip", "-q", "-s", size, "multi.zip", *members], cwd=folder, check=True)
    return sorted(folder.glob("multi.z*"))


NOISE = {f"set/{i}.wav": random.Random(i).randbytes(40_000) for i in range(8)}
needs_zip = pytest.mark.skipif(shutil.which("zip") is None, reason="needs the tool `zip`")


@needs_zip
def test_a_split_zip_is_unpacked_as_one(tmp_path):
    parts = split(tmp_path, NOISE)
    assert len(parts) >= 5
    unpack(parts, tmp_path / "out")
    assert content(tmp_path / "out") == NOISE


@needs_zip
def test_a_missing_part_of_a_split_zip_is_told(tmp_path):
    parts = split(tmp_path, NOISE)
    with pytest.raises(DataError, match=f"one zip in {len(parts)} parts, of which {len(parts) - 1} are given"):
        unpack(parts[1:], tmp_path / "out")


@needs_zip
def test_parts_in_the_wrong_order_are_refused(tmp_path):
    first, second, *others = split(tmp_path, NOISE)
    with pytest.raises(DataError, match=r"damaged|cut"):
        unpack([second, first, *others], tmp_path / "out")
    with pytest.raises(DataError, match="its end is missing"):
        unpack([*others, first], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def in_pkzip_manner(folder, members, cuts, zip64=False):
    """A split zip made by hand: a mark, and a directory that counts from the beginning of each part."""
    raw, starts = bytearray(b"PK\7\x08"), [0]
    entries = b""
    for name, text in members.items():
        if len(raw) >= cuts:
            (folder / f"multi.z{len(starts):02d}").write_bytes(raw)
            starts.append(starts[-1] + len(raw))
            raw = bytearray()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as one:
            one.writestr(name, text)
        plain = buffer.getvalue()
        entry = bytearray(plain[plain.index(b"PK\1\2") : plain.index(b"PK\5\6")])
        struct.pack_into("<H", entry, 34, len(starts) - 1)
        struct.pack_into("<L", entry, 42, len(raw))
        if zip64:
            struct.pack_into("<3L", entry, 20, *[0xFFFFFFFF] * 2, len(name))
            struct.pack_into("<2H", entry, 28, len(name), 32)
            struct.pack_into("<L", entry, 42, 0xFFFFFFFF)
            entry += struct.pack("<2H3QL", 1, 28, len(text), len(text), len(raw), len(starts) - 1)
        raw += plain[: plain.index(b"PK\1\2")]
        entries += entry
    part, offset, count = len(starts) - 1, len(raw), len(members)
    raw += entries
    if zip64:
        at = len(raw)
        raw += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, part, part, count, count, len(entries), offset)
        raw += struct.pack("<4sLQL", b"PK\6\7", part, at, part + 1)
        raw += struct.pack("<4s4H2LH", b"PK\5\6", *[0xFFFF] * 4, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    else:
        raw += struct.pack("<4s4H2LH", b"PK\5\6", part, part, count, count, len(entries), offset, 0)
    (folder / "multi.zip").write_bytes(raw)
    return sorted(folder.glob("multi.z*"))


@pytest.mark.parametrize("zip64", [False, True])
def test_a_split_zip_made_by_the_book_is_unpacked(tmp_path, zip64):
    parts = in_pkzip_manner(tmp_path, NOISE, 90_000, zip64)
    assert len(parts) == 3
    unpack(parts, tmp_path / "out")
    assert content(tmp_path / "out") == NOISE


@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_cut_into_pieces_is_read_as_one(tmp_path, make):
    raw = make(tmp_path / "x", NOISE.items()).read_bytes()
    pieces = []
    for i in range(0, len(raw), 70_000):
        pieces.append(tmp_path / f"x_part{i:07d}")
        pieces[-1].write_bytes(raw[i : i + 70_000])
    unpack(pieces, tmp_path / "out")
    assert content(tmp_path / "out") == NOISE

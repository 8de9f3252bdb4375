"""F21: what an archive may do, and what it may not: nothing outside the target, and the target whole or not there."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import random
import shutil
import stat
import struct
import tarfile
import zipfile

import pytest

from audiossl.data import archive_writer
from audiossl.data.archive import unpack
from audiossl.data.archive_writer import Limits
from audiossl.errors import DataError, WriteError
from tests.data.archives import content, patch, special, tarred, zip_special, zipped

FILES = {"set/a.wav": b"first" * 1000, "set/deep/b.wav": b"", "set/ü.txt": "Grüße".encode()}


def refused(archive, tmp_path, match, **options):
    """Unpacking fails with a sentence, and leaves everything as it was."""
    target = tmp_path / "inner" / "target"
    target.parent.mkdir()
    before = content(tmp_path)
    with pytest.raises(DataError, match=match) as told:
        unpack([archive], target, **options)
    assert "\n" not in str(told.value)
    assert str(archive) in str(told.value)
    assert content(tmp_path) == before
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_what_went_in_comes_out_whatever_the_archive_is_called(tmp_path, mode):
    make = zipped if mode == "zip" else tarred
    path = make(tmp_path / "archive", FILES.items(), *([] if mode == "zip" else [mode]))
    unpacked = unpack([path], tmp_path / "out")
    assert content(tmp_path / "out") == FILES
    assert (unpacked.files, unpacked.bytes) == (3, sum(map(len, FILES.values())))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "out"]


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/tmp/evil", "~/evil", "C:/evil", "..\\evil", "a\\..\\b", "new\nline"],
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, make, name):
    refused(make(tmp_path / "x", [("good", b"1"), (name, b"2")]), tmp_path, r"evil|'a|new")


def test_a_name_with_a_zero_byte_is_refused(tmp_path):
    path = zipped(tmp_path / "x", [("nul_x", b"1")])
    path.write_bytes(path.read_bytes().replace(b"nul_x", b"nul\0x"))
    refused(path, tmp_path, "control character")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "set/../../../x"])
def test_a_link_that_leaves_the_folder_is_refused(tmp_path, kind, target):
    refused(tarred(tmp_path / "x", [special("set/l", kind, target)]), tmp_path, "link")


def test_a_link_that_leaves_the_folder_of_a_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "x", [zip_special("l", stat.S_IFLNK | 0o777, b"/etc/passwd")])
    refused(path, tmp_path, "'l', a link to '/etc/passwd' outside")


def test_writing_through_a_link_is_not_possible(tmp_path):
    path = tarred(tmp_path / "x", [special("d", tarfile.SYMTYPE, "e"), ("d/f", b"1")])
    refused(path, tmp_path, "'d'")


def test_links_inside_become_the_files_they_lead_to(tmp_path):
    links = [special("set/s", tarfile.SYMTYPE, "../set/a"), special("h", tarfile.LNKTYPE, "set/a")]
    unpack([tarred(tmp_path / "x", [links[0], ("set/a", b"sound"), links[1]])], tmp_path / "out")
    assert content(tmp_path / "out") == {"set/a": b"sound", "set/s": b"sound", "h": b"sound"}
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_a_link_to_nothing_is_refused(tmp_path):
    refused(tarred(tmp_path / "x", [special("l", tarfile.SYMTYPE, "gone")]), tmp_path, "'gone', which is no file")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path, kind):
    refused(tarred(tmp_path / "x", [special("null", kind)]), tmp_path, "null")


def test_a_device_in_a_zip_is_refused(tmp_path):
    refused(zipped(tmp_path / "x", [zip_special("null", stat.S_IFCHR)]), tmp_path, "'null', a device")


@pytest.mark.parametrize(
    ("first", "second", "match"),
    [
        ("Set/A.wav", "set/a.WAV", "the same name on some disks"),
        ("straße", "STRASSE", "the same name on some disks"),
        ("e\u0301.wav", "\u00e9.wav", "the same name on some disks"),
        ("a", "./a", "twice"),
        ("a/b", "a", "same name|twice"),
        ("a", "a/b", "twice"),
    ],
)
def test_names_that_are_one_on_some_disks_are_refused(tmp_path, first, second, match):
    refused(tarred(tmp_path / "x", [(first, b"1"), (second, b"2")]), tmp_path, match)


def test_folders_may_be_named_twice(tmp_path):
    members = [special("set", tarfile.DIRTYPE), special("./set/", tarfile.DIRTYPE), ("set/a", b"1")]
    unpack([tarred(tmp_path / "x", members)], tmp_path / "out")
    assert content(tmp_path / "out") == {"set/a": b"1"}


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "x", [("secret.wav", b"12345")])
    patch(path, b"PK\1\2", 8, b"\1\0")
    refused(path, tmp_path, r"'secret\.wav', which is encrypted")


def test_a_wrong_crc_is_told_with_the_member(tmp_path):
    path = zipped(tmp_path / "x", [("good.wav", b"1"), ("bad.wav", b"sound" * 99)], zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"soundsound", b"SOUNDsound", 1))
    refused(path, tmp_path, r"is damaged in 'bad\.wav' \(Bad CRC-32")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
def test_a_cut_tar_is_refused(tmp_path, mode, share):
    noise = random.Random(0).randbytes(40_000)
    path = tarred(tmp_path / "x", [("a", noise), ("b", noise[::-1])], mode)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, tmp_path, "cut or damaged|is damaged")


def test_a_tar_cut_between_two_members_is_refused(tmp_path):
    path = tarred(tmp_path / "x", [("a", bytes(512)), ("b", bytes(512))])
    path.write_bytes(path.read_bytes()[:1024])
    refused(path, tmp_path, "its end is missing")


def test_a_tar_with_a_damaged_header_is_not_taken_for_one_that_ends_there(tmp_path):
    path = tarred(tmp_path / "x", [("a", b"1" * 512), ("b", b"2" * 512)])
    raw = bytearray(path.read_bytes())
    raw[1024 + 150] ^= 0xFF
    path.write_bytes(raw)
    refused(path, tmp_path, "its end is missing")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_zip_is_refused(tmp_path, share):
    path = zipped(tmp_path / "x", [(f"{i}", random.Random(i).randbytes(999)) for i in range(20)])
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, tmp_path, "is cut or no zip archive")


def test_a_web_page_in_an_archives_place_is_told(tmp_path):
    (tmp_path / "x.zip").write_text("\n<!DOCTYPE html><p>Please log in.</p>" + " " * 600)
    refused(tmp_path / "x.zip", tmp_path, "is a web page, not an archive")


@pytest.mark.parametrize("raw", [b"", b"RIFF....WAVE", b"PK", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0"])
def test_bytes_that_are_no_archive_are_refused(tmp_path, raw):
    (tmp_path / "x.zip").write_bytes(raw)
    refused(tmp_path / "x.zip", tmp_path, "neither a zip nor a tar|is cut|is damaged")


def test_a_tar_of_a_gigabyte_from_few_bytes_is_refused_while_writing(tmp_path):
    head = io.BytesIO()
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 30
    head.write(info.tobuf())
    squeezed = bz2.compress(bytes(1 << 24))
    path = tmp_path / "x"
    path.write_bytes(bz2.compress(head.getvalue()) + squeezed * 64 + bz2.compress(bytes(1024)))
    assert path.stat().st_size < 50_000
    refused(path, tmp_path, "would unpack to 1,073,741,824 bytes")


def test_many_small_members_together_are_a_bomb_too(tmp_path):
    path = tarred(tmp_path / "x", [(f"{i}", bytes(1 << 20)) for i in range(9)], "w:gz")
    limits = Limits(spare_bytes=4 << 20, ratio=10)
    refused(path, tmp_path, "would unpack to 5,242,880 bytes from", limits=limits)


def test_a_zip_that_says_it_is_a_gigabyte_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    path = zipped(tmp_path / "x", [("zeros", bytes(50_000_000))])
    patch(path, b"PK\1\2", 24, struct.pack("<L", 1 << 30))
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(archive_writer.Writer, "file", None)
    refused(path, tmp_path, "would unpack to 1,073,741,824 bytes")


def test_a_zip_that_lies_about_its_size_cannot_write_more(tmp_path):
    path = zipped(tmp_path / "x", [("zeros", bytes(5_000_000))])
    patch(path, b"PK\1\2", 24, struct.pack("<L", 10))
    refused(path, tmp_path, r"is damaged in 'zeros' \(Bad CRC")


def test_members_that_share_their_bytes_are_counted_each(tmp_path):
    path = zipped(tmp_path / "x", [("a", bytes(3_000_000))])
    raw = path.read_bytes()
    at = raw.index(b"PK\1\2")
    entry = raw[at : raw.index(b"PK\5\6")]
    end = bytearray(raw[raw.index(b"PK\5\6") :])
    struct.pack_into("<2HL", end, 8, 90, 90, 90 * len(entry))
    path.write_bytes(raw[:at] + entry * 90 + bytes(end))
    refused(path, tmp_path, "would unpack to 270,000,000 bytes")


def of_entries(path, entries, told):
    """A zip that has so many members, without any content, and says it has `told`."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, 1, *[0] * 6) + b"x"
    size = entries * len(entry)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, told, told, size, 0)
    end = struct.pack("<4sLQL", b"PK\6\7", 0, size, 1) + struct.pack("<4s4H2LH", b"PK\5\6", *[0xFFFF] * 4, 0, 0, 0)
    path.write_bytes(b"PK" + (entry * entries)[2:] + end64 + end)
    return path


def test_a_million_entries_are_refused_before_any_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", None)
    refused(of_entries(tmp_path / "x", 1_000_000, 1_000_000), tmp_path, "holds more than 500,000 entries")


def test_entries_are_counted_whatever_the_zip_says(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZipFile", None)
    limits = Limits(entries=1000)
    refused(of_entries(tmp_path / "x", 1001, 7), tmp_path, "holds more than 1,000 entries", limits=limits)


def test_entries_are_limited_by_what_the_set_holds(tmp_path):
    limits = Limits.for_items(10)
    assert limits.entries == 10_040
    path = tarred(tmp_path / "x", [special(f"{i}", tarfile.DIRTYPE) for i in range(31)])
    refused(path, tmp_path, "holds more than 30 entries", limits=Limits(entries=30))


def test_a_long_name_that_does_not_end_is_not_taken_into_memory(tmp_path):
    info = special("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 30
    zeros = gzip.compress(b"x" * (1 << 24))
    (tmp_path / "x").write_bytes(gzip.compress(info.tobuf()) + zeros * 4)
    refused(tmp_path / "x", tmp_path, "a header that does not end")


def test_a_full_disk_is_told_and_nothing_stays(tmp_path, monkeypatch):
    path = tarred(tmp_path / "x", [("a", b"1"), ("b", b"2")])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive_writer.Writer, "_count", full)
    with pytest.raises(WriteError, match="the disk is full; nothing was unpacked"):
        unpack([path], tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_too_little_room_is_told_before_writing(tmp_path, monkeypatch):
    path = zipped(tmp_path / "x", [("a", bytes(1000))])
    usage = shutil.disk_usage(tmp_path)._replace(free=999)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(archive_writer.Writer, "file", None)
    with pytest.raises(WriteError, match="the disk is full"):
        unpack([path], tmp_path / "out")


def test_what_a_killed_process_left_is_taken_away(tmp_path):
    (tmp_path / ".out.unpacking/old").mkdir(parents=True)
    unpack([zipped(tmp_path / "x", [("a", b"1")])], tmp_path / "out")
    assert content(tmp_path) == {"x": (tmp_path / "x").read_bytes(), "out/a": b"1"}

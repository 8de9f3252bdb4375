"""The members of a zip, in one part or several."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import BinaryIO, cast

from audiossl.data.archive_parts import Joined, as_one_zip
from audiossl.data.archive_writer import Refused, Writer

_ENCRYPTED = 0x1
_MAX_LINK_BYTES = 4096


def unpack_zip(joined: Joined, writer: Writer) -> None:
    """Write all members (raises `Refused`, or what `zipfile` raises for damage)."""
    as_one_zip(joined, writer.limits.entries)
    joined.seek(0)
    with zipfile.ZipFile(cast(BinaryIO, io.BufferedReader(joined, 1 << 18))) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        writer.check_total(total)
        writer.begin(total)
        for member in members:
            _unpack_member(archive, member, writer)


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, writer: Writer) -> None:
    # `member.filename` is what zipfile made of it: cut at a zero byte, and with this system's slashes.
    name = member.orig_filename
    mode = stat.S_IFMT(member.external_attr >> 16)
    if member.flag_bits & _ENCRYPTED:
        raise Refused(f"holds {name!r}, which is encrypted")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise Refused(f"holds {name!r}, a device or pipe")
    if member.is_dir():
        writer.folder(name)
        return
    try:
        with archive.open(member) as content:
            if mode == stat.S_IFLNK:
                writer.link(name, content.read(_MAX_LINK_BYTES).decode(errors="replace"), hard=False)
            else:
                writer.file(name, cast(BinaryIO, content))
    except NotImplementedError as error:
        raise Refused(f"holds {name!r}, packed in a way that Python cannot read ({error})") from error
    except zipfile.BadZipFile as error:
        raise Refused(f"is damaged in {name!r} ({error})") from error

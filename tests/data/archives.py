"""Archives made for the tests of unpacking, and what is in a folder afterwards."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def tarred(path, members, mode="w"):
    """Members: (name, content), or a TarInfo."""
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_special(name, mode, content=b""):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info, content


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def patch(path: Path, mark: bytes, offset: int, new: bytes) -> None:
    """Put other bytes behind the first `mark` of a file."""
    raw = bytearray(path.read_bytes())
    at = raw.index(mark) + offset
    raw[at : at + len(new)] = new
    path.write_bytes(raw)

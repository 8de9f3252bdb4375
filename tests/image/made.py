"""Pictures on disk, made for the tests."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

FORMATS = {"a.jpg": "JPEG", "a.png": "PNG", "a.webp": "WEBP", "a.gif": "GIF", "a.bmp": "BMP", "a.tif": "TIFF"}
EXACT = ("PNG", "BMP", "TIFF")
"""Formats that keep every value of an RGB picture."""


def scene(height: int = 30, width: int = 44) -> np.ndarray:
    """(H, W, 3) uint8: a red square at the top left of slopes of green and blue, of which no turn looks alike."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([np.zeros_like(rows), 200 * rows // height, 200 * columns // width], axis=2).astype(np.uint8)
    picture[: height // 3, : width // 3, 0] = 220
    return picture


def save(path: Path, pixels: np.ndarray | PIL.Image.Image, form: str | None = None, **options: Any) -> Path:
    image = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    image.save(path, form, **options)
    return path


def with_orientation(value: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


LOST_EXIF = b"Exif\0\0II*\0\xff\xff\xff\x7f"
"""Tags that say they lie behind the end: of these Pillow warns."""


def cut(path: Path, share: float = 0.5) -> Path:
    """The first part of a file."""
    content = path.read_bytes()
    short = path.with_name(f"cut_{path.name}")
    short.write_bytes(content[: int(share * len(content))])
    return short


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, data: bytes = b"\0" * 9) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body + png_chunk(b"IEND", b"")

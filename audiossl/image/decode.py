"""The one door for pictures: any format, mode and size that Pillow reads, in; upright RGB of 8 bits out.

Promise: a file is read whole, or raises `ImageError` with its path and cause; a cut file is never passed off as a
picture with a grey half. What a file is, is told by its content, not by its suffix. More than `MAX_PIXELS` are refused
from the header, before anything is decoded. Any number of threads may read at once; Pillow's settings and the
program's warnings are left alone.

What cannot be seen: a JPEG has no checksum, so bytes that changed in its middle may give a partly wrong picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BufferedReader
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import UnidentifiedImageError
from PIL.ImageFile import ImageFile

from audiossl.errors import ImageError
from audiossl.image.quiet import quiet_pillow
from audiossl.opening import open_regular

MAX_PIXELS = 120_000_000
"""A picture of more is refused: 360 MB as RGB, above any telephone's and far below a decompression bomb's."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Formats that are tried. Others of Pillow's start programs (EPS) or are no pictures of the world."""
BACKGROUND = (255, 255, 255, 255)
"""What transparent pixels are laid on, as a page would show them: white."""
DRAFT = 2
"""A JPEG is decoded at half, a quarter or an eighth as long as it stays this many times larger than asked for."""

_ORIENTATION = 0x0112
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""How the values of EXIF's orientation become upright."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageInfo:
    """What a file's header says. `width` and `height` are of the upright picture, `mode` and `format` Pillow's."""

    width: int
    height: int
    mode: str
    format: str
    animated: bool = False
    turned: bool = False


@dataclass(frozen=True)
class Image:
    """A decoded picture.

    Attributes:
        pixels: (3, H, W) uint8, red, green, blue, H and W >= 1; not contiguous.
        info: what the file's header says.
        animated: the file holds several pictures, of which this is the first.
        turned: the file's EXIF orientation was applied.
        transparent: some pixels were, and lie on white.
        stretched: values of 32 bits, which know no full scale, were stretched from their least and largest to 0 .. 255.
        reduced: a JPEG decoded at a half, a quarter or an eighth of its size, as `side` allows.
        plain: all pixels are equal.
    """

    pixels: Pixels
    info: ImageInfo
    animated: bool = False
    turned: bool = False
    transparent: bool = False
    stretched: bool = False
    reduced: bool = False
    plain: bool = False


def probe(path: str | Path) -> ImageInfo:
    """Read a file's header without decoding it (raises `ImageError`)."""
    with _opened(path) as image:
        return _info(image)


def decode(path: str | Path, *, side: int | None = None) -> Image:
    """Read a file as upright RGB of 8 bits.

    16-bit grey is divided by 257, its full scale 65535. CMYK and other spaces become RGB by Pillow's rules, without
    colour profiles.

    Args:
        path: the file.
        side: the picture will be made this small anyway: a large JPEG may come at a half, a quarter or an eighth of
            its size, which is several times faster, its shorter side still at least `2 * side`.

    Raises:
        ImageError: the file cannot be read, is cut or damaged, has more than `MAX_PIXELS`, or holds a value that is
            not finite.
    """
    with _opened(path) as image:
        whole, info = image.size, _info(image)
        if side is not None:
            image.draft(None, (DRAFT * side, DRAFT * side))
        reduced = image.size != whole
        image.load()
        orientation = _orientation(image)
        grey, stretched = _deep_grey(image, path)
        upright = image if grey is None else PIL.Image.fromarray(grey)
        if orientation in _TURNS:
            upright = upright.transpose(_TURNS[orientation])
        rgb, transparent = _on_background(upright)
    pixels_HWC = np.asarray(rgb)
    return Image(
        pixels_HWC.transpose(2, 0, 1),
        info,
        animated=info.animated,
        turned=orientation in _TURNS,
        transparent=transparent,
        stretched=stretched,
        reduced=reduced,
        plain=bool((pixels_HWC == pixels_HWC[0, 0]).all()),
    )


@contextmanager
def _opened(path: str | Path) -> Iterator[ImageFile]:
    """A file of a known format and a sane size; whatever Pillow raises inside becomes an `ImageError`."""
    with BufferedReader(open_regular(path, "a picture", ImageError)) as file, quiet_pillow():
        try:
            with PIL.Image.open(file, formats=_formats()) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise ImageError(path, f"has {width:,} x {height:,} pixels, more than the {MAX_PIXELS:,} allowed")
                if width < 1 or height < 1:
                    raise ImageError(path, "has no pixels")
                yield image
        except ImageError:
            raise
        except Exception as error:  # Pillow promises no kinds: broken files bring forth a dozen
            raise ImageError(path, _cause(error)) from error


def _info(image: ImageFile) -> ImageInfo:
    (width, height), orientation = image.size, _orientation(image)
    # Pillow itself turns a TIFF, and has its size upright from the start.
    turned = image.format != "TIFF" and orientation in _TURNS
    if turned and orientation in (5, 6, 7, 8):
        width, height = height, width
    return ImageInfo(width, height, image.mode, str(image.format), _animated(image), turned)


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow was built with."""
    PIL.Image.init()
    return tuple(name for name in FORMATS if name in PIL.Image.OPEN)


def _cause(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"is not a picture of a known format ({', '.join(FORMATS).lower()})"
    if isinstance(error, PIL.Image.DecompressionBombError):
        return f"has more than the {MAX_PIXELS:,} pixels allowed"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    text = str(error) or type(error).__name__
    return "is truncated" if "truncated" in text.lower() else f"is damaged ({text})"


def _orientation(image: ImageFile) -> object:
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception:  # a damaged tag has no say over a whole picture
        return None


def _animated(image: ImageFile) -> bool:
    return bool(getattr(image, "is_animated", False))


def _deep_grey(image: ImageFile, path: str | Path) -> tuple[Pixels | None, bool]:
    """Grey of more than 8 bits as 8 bits, and whether it was stretched; Pillow's own conversion would clip it."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        values = np.asarray(image).astype(np.int64)
        return ((values + 128) // 257).clip(0, 255).astype(np.uint8), False
    if image.mode not in ("I", "F"):
        return None, False
    floats = np.asarray(image).astype(np.float64)
    if not np.isfinite(floats).all():
        raise ImageError(path, "holds a value that is not finite")
    low, high = float(floats.min()), float(floats.max())
    return np.rint((floats - low) * (255 / ((high - low) or 1))).astype(np.uint8), True


def _on_background(image: PIL.Image.Image) -> tuple[PIL.Image.Image, bool]:
    """As RGB, and whether anything was transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB"), False
    rgba = image.convert("RGBA")
    lowest, _ = rgba.getchannel("A").getextrema()
    if lowest == 255:
        return rgba.convert("RGB"), False
    page = PIL.Image.new("RGBA", rgba.size, BACKGROUND)
    return PIL.Image.alpha_composite(page, rgba).convert("RGB"), True

"""A picture as a file to look at."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import ImageError
from audiossl.image.decode import probe
from audiossl.media import Excerpt

_SUFFIXES = {"JPEG": ".jpg", "JPEG2000": ".jp2"}
"""Of formats that are not called as their files are."""


def excerpt(path: Path, start_s: float | None, end_s: float | None) -> Excerpt:
    """The file as it is, which is all of it (raises `ImageError`: it is no picture any more)."""
    form = probe(path).format
    try:
        return Excerpt(_SUFFIXES.get(form, f".{form.lower()}"), path.read_bytes())
    except OSError as error:
        raise ImageError(path, f"cannot be read ({error.strerror or error})") from error

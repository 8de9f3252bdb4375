"""Pictures as training stores them: decoded, made a square of one side. The crop that training takes is all of it.

Shapes: S = 3 * side * side stored values.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from audiossl.errors import ImageError
from audiossl.image.decode import decode, probe
from audiossl.image.frontend import Pixels, Stored
from audiossl.recipe.schema import Recipe


class PictureClips:
    """Prepared pictures, which are cut by views and not by the loader: here each is one crop.

    Args:
        recipe: what it trains on.
        frontend: of that recipe.
        frames: left out; a picture has no length to choose.
    """

    dtype: ClassVar[str] = "uint8"
    hop: ClassVar[int] = 1

    def __init__(self, recipe: Recipe, frontend: Pixels, frames: int | None = None) -> None:
        self._frontend = frontend
        self.crop_samples = self.measured = frontend.samples
        self.key = recipe.frontend.model_dump_json()

    def read(self, path: Path, start_s: float | None, end_s: float | None) -> Stored:
        """The stored picture (S,); raises `ImageError`. Rows with a start or an end are refused with the table."""
        return self._frontend.prepare(decode(path, side=self._frontend.config.side).pixels)

    def length(self, path: Path, start_s: float | None, end_s: float | None) -> int:
        """S; 0 when the file's header cannot be read."""
        try:
            probe(path)
        except ImageError:
            return 0
        return self.crop_samples

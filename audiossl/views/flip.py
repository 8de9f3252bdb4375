"""One axis backwards: time of a sound, rows or columns of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from audiossl.views.base import Draw, PerExample


class Flip(PerExample):
    """The last along `axis` first; `axis` counts from the end of the shape."""

    axis: ClassVar[int]

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def apply(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """`x` backwards along `axis`."""
        return x.flip(self.axis)

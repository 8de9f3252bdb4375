"""What both wings give of a file: what it is, examples to train on, windows to embed. Rooms above know no more of it.

Shapes: S stored values of an example, whatever they are: samples of a sound, bytes of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from audiossl.recipe.schema import Recipe


class Seen(Protocol):
    """What is told of the readable files of a data set; a dataclass with a field for everything that is counted."""

    def rows(self) -> Iterator[tuple[str, object]]:
        """What there is to tell and how it is: names, counts of each value, words, or None where nobody looked."""

    def described(self) -> dict[str, Any]:
        """What all files have in common, as a manifest says it."""


class Clips(Protocol):
    """Examples as training stores and crops them."""

    crop_samples: int
    """Values of one training crop, its context included."""
    measured: int
    """Of a longer example one stretch of so many values is looked at for the statistics."""
    key: str
    """Changes when what is stored for the same file does."""

    @property
    def dtype(self) -> str:
        """Of the stored values, a NumPy name: `float32`, or `uint8` for what is kept as it is."""

    @property
    def hop(self) -> int:
        """Crops start at multiples of it."""

    def read(self, path: Path, start_s: float | None, end_s: float | None) -> NDArray[Any]:
        """The prepared example (S,), S >= `crop_samples`; raises `MediaError`."""

    def length(self, path: Path, start_s: float | None, end_s: float | None) -> int:
        """S of `read`, from the file's header; 0 when it cannot be read."""


@dataclass(frozen=True)
class Window:
    """What becomes one embedding: where it is in its file, in seconds, and what a front end's `prepare` takes.

    A picture is one window from NaN to NaN.
    """

    start_s: float
    end_s: float
    samples: NDArray[Any]


class Excerpt(NamedTuple):
    """A part of an example as a file: how its name ends, and what it holds."""

    suffix: str
    content: bytes


class Reader(Protocol):
    """Reads files into windows, in memory that does not grow with the file."""

    rate: int | None
    """Samples per second of what windows hold; None for what has no length in time."""
    one_length: bool
    """All windows have as many prepared values, so that a batch may always be full."""
    batches: tuple[int, int]
    """Prepared values that an encoder takes at once by default: on a CPU, and elsewhere."""

    @property
    def columns(self) -> Mapping[str, str]:
        """What is met while a file is read, and Arrow's name of its type: columns of the table of files."""

    def parameters(self) -> dict[str, Any]:
        """What decides a number beside the model."""

    def windows(
        self, path: str | Path, start_s: float | None, end_s: float | None, met: dict[str, Any]
    ) -> Iterator[Window]:
        """The windows of a file or of a part of it, in order; `met` has all of `columns` after the last.

        Raises:
            MediaError: it cannot be read.
        """


class Plain(Protocol):
    """Features that nobody has learnt, which every learned embedding must beat.

    Attributes:
        package: whose version decides the numbers too.
        at_once: prepared examples that `features` is best given at a time; of more than one all are of one length.
        recipe: whose front end's rate or side is theirs, and whose windows they are cut into by default.
    """

    package: ClassVar[str]
    at_once: ClassVar[int]
    recipe: ClassVar[Recipe]

    @property
    def name(self) -> str:
        """As a model to embed with."""

    @property
    def title(self) -> str:
        """As a row of a table."""

    @property
    def settings(self) -> dict[str, Any]:
        """All else that decides a number."""

    def read(self, path: Path, start_s: float | None, end_s: float | None) -> NDArray[Any]:
        """The whole example, prepared (S,), the same for all plain features of a wing; raises `MediaError`."""

    def prepare(self, samples: NDArray[Any]) -> NDArray[Any]:
        """A window's samples as `features` wants them."""

    def features(self, x_BS: NDArray[Any]) -> NDArray[np.float32]:
        """(B, D) of prepared windows."""

    def blank(self) -> NDArray[Any]:
        """One window of nothing (1, S), prepared."""

    def bands(self, x_BS: NDArray[Any]) -> NDArray[np.float32]:
        """What `features` are pooled from (B, F, T); raises `UsageError` where there is no time."""

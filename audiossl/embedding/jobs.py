"""What an engine is given, what it gives back, and what it must say of itself. Imports no torch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audiossl.data.items import Items

if TYPE_CHECKING:
    from audiossl.bundle.bundle import Array, Times


@dataclass(frozen=True)
class Job:
    """One example: a file, or the part of it from `start_s` to `end_s`. `index` is the caller's number for it.

    A URL is a `str`, in full: it may hold secrets, and is told to nobody but its server (`places.urls.shown`).
    """

    index: int
    path: str | Path
    start_s: float | None = None
    end_s: float | None = None


def jobs_of(items: Items) -> list[Job]:
    """One job per row, numbered by row."""
    parts = zip(items.paths(), items.column("start_s"), items.column("end_s"), strict=True)
    return [Job(index, *part) for index, part in enumerate(parts)]


@dataclass(frozen=True)
class Embedded:
    """A job that is done: its W windows, times in seconds from the start of the file, NaN where there is no time."""

    job: Job
    start_s: Times
    end_s: Times
    embeddings: Array
    met: Mapping[str, Any]
    """What was met while the file was read: the `columns` of the model's reader."""

    @property
    def clip(self) -> Array:
        """The embedding (D,) of the whole: the mean over windows."""
        mean: Array = self.embeddings.mean(axis=0)
        return mean


@dataclass(frozen=True)
class Failed:
    """A job that gave no rows, and why."""

    job: Job
    cause: str
    offset_s: float | None


Result = Embedded | Failed


class Extraction(Protocol):
    """An engine with a model and options, wherever it runs."""

    @property
    def embedding_dim(self) -> int:
        """D of a row."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Names of what is met while a file is read, and Arrow's names of their types."""

    def about(self) -> dict[str, Any]:
        """What the store says of the model and where it ran; decides no number."""

    def parameters(self) -> dict[str, Any]:
        """Everything that decides the numbers: a store holds rows of one set of them."""

    def run(self, jobs: Iterable[Job]) -> Generator[Result, None, None]:
        """One result per job, each as soon as it is done. Closing the iterator stops the work."""

"""Every error a user can meet: one sentence saying what is wrong, where, and what to write instead.

All of them derive from `AudiosslError` and carry the exit code of the command that raises them; the command line
prints the sentence without a traceback. Anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class AudiosslError(Exception):
    """A problem the user can mend. `str(error)` is the whole message; `exit_code` is the process's."""

    exit_code = 1


class UsageError(AudiosslError):
    """A wrong option, or two that cannot go together (exit code 2)."""

    exit_code = 2


class RecipeError(AudiosslError):
    """One or more faults of a recipe, each `file:line: field: what; what to write instead` (exit code 2)."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DataError(AudiosslError):
    """A manifest, folder or table that cannot be used as it stands (exit code 3)."""

    exit_code = 3


class MediaError(DataError):
    """One file of sound or picture that cannot be read.

    Args:
        path: the file.
        cause: what is wrong, in words, without the path.
        offset_s: where in the file, in seconds, where that is known.
    """

    def __init__(self, path: str | Path, cause: str, offset_s: float | None = None) -> None:
        self.path, self.cause, self.offset_s = str(path), cause, offset_s
        where = "" if offset_s is None else f" at {offset_s:.3f} s"
        super().__init__(f"{path}: {cause}{where}")


class AudioError(MediaError):
    """One sound file that cannot be read."""


class ImageError(MediaError):
    """One picture that cannot be read."""


class SomeInputsFailed(AudiosslError):  # noqa: N818 - a report, not a fault of the program
    """The work is done, except for the inputs listed in a file (exit code 4)."""

    exit_code = 4


class TrainingDiverged(AudiosslError):  # noqa: N818 - a report, not a fault of the program
    """Training met a non-finite loss and stopped before the update (exit code 5).

    Args:
        step: optimiser steps done before.
        loss: the loss, as text.
        clips: positions of the batch's clips in the items table.
    """

    exit_code = 5

    def __init__(self, step: int, loss: str, clips: Sequence[int]) -> None:
        self.step, self.loss, self.clips = step, loss, list(clips)
        super().__init__(
            f"step {step}: the loss is {loss}; the weights were not updated and the last checkpoint is whole. "
            f"Try a smaller optimiser.lr, a larger temperature, or training.precision: 32"
        )


class WriteError(AudiosslError):
    """The disk is full, or the place cannot be written (exit code 6)."""

    exit_code = 6


class CheckpointError(AudiosslError):
    """A checkpoint or bundle that is cut, foreign, of another recipe, or of a newer version (exit code 3)."""

    exit_code = 3

"""A run's folder: what it was started with, and whether the same command may go on from it.

run.json            recipe hash, data fingerprint, versions, state
recipe.yaml         the resolved recipe
checkpoints/        last.ckpt, previous.ckpt
logs/               CSV and TensorBoard
failures.csv        clips that could not be read
encoder.safetensors the bundle, when the run is done
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiossl.data.decoded import Failure
from audiossl.errors import UsageError
from audiossl.files import write_json, write_text
from audiossl.recipe.load import differences, dump_recipe, read_recipe
from audiossl.recipe.schema import Recipe
from audiossl.version import __version__

FREE = (
    "data.workers",
    "data.root",
    "data.cache",
    "training.threads",
    "training.checkpoint_every_s",
    "training.checkpoint_every_steps",
    "monitors",
    "description",
)
"""Fields that do not change the weights: a run may go on with other values."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    root: Path

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are kept."""
        return self.root / "checkpoints"

    @property
    def bundle(self) -> Path:
        """The trained encoder."""
        return self.root / "encoder.safetensors"

    @property
    def logs(self) -> Path:
        """CSV and TensorBoard logs."""
        return self.root / "logs"

    def next_part(self) -> str:
        """A name for the CSV log of this start: a resumed run never writes over an earlier part."""
        return f"part_{len(list(self.logs.glob('part_*'))):03}"

    def refuse_other_things(self) -> None:
        """Raise `UsageError` when the folder holds something that is not a run."""
        if self.root.is_dir() and any(self.root.iterdir()) and not (self.root / "run.json").is_file():
            raise UsageError(f"{self.root}: holds other files and no run; choose an empty folder with --out")

    def begin(self, recipe: Recipe, fingerprint: str) -> None:
        """Write down what is being run, or refuse when the folder holds another run.

        Raises:
            UsageError: the folder holds a run of another recipe or of other data.
        """
        note = self.root / "run.json"
        if note.is_file():
            self._same_or_refuse(json.loads(note.read_text()), recipe, fingerprint)
            return
        write_text(self.root / "recipe.yaml", dump_recipe(recipe))
        write_json(note, {"audiossl": __version__, "recipe": recipe.model_dump(mode="json"), "data": fingerprint})

    def _same_or_refuse(self, earlier: dict[str, Any], recipe: Recipe, fingerprint: str) -> None:
        before = read_recipe(earlier["recipe"])
        changed = [line for line in differences(recipe, before) if not _free(line)]
        if changed:
            listed = "\n  ".join(changed)
            raise UsageError(
                f"{self.root}: holds a run of another recipe, which differs in\n  {listed}\n"
                f"choose another folder with --out, or start this one again with --fresh"
            )
        if earlier["data"] != fingerprint:
            raise UsageError(
                f"{self.root}: holds a run on other data (files were added, removed or renamed since); "
                f"choose another folder with --out, or start this one again with --fresh"
            )

    def list_failures(self, failures: Sequence[Failure]) -> Path | None:
        """Write `failures.csv`, if there are any."""
        if not failures:
            return None
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["path", "cause"])
        writer.writerows([failure.path, failure.cause] for failure in failures)
        write_text(self.root / "failures.csv", text.getvalue())
        return self.root / "failures.csv"


def _free(difference: str) -> bool:
    field = difference.split(":")[0]
    return any(field == free or field.startswith(f"{free}.") for free in FREE)

"""From one job to its windows: decoded block by block, in memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from audiossl.bundle.windows import Window, Windower
from audiossl.embedding.jobs import Job
from audiossl.modality import Modality
from audiossl.places.fetch import at_hand
from audiossl.recipe.schema import EmbeddingConfig

BLOCK_S = 60.0
"""Seconds decoded at once."""


@dataclass
class SoundFacts:
    """What was met while reading one job, complete when its last window was read."""

    samples: int = 0
    file_rate: int = 0
    short: bool = False
    silent: bool = True
    nonfinite: int = 0

    def add(self, sound: Any) -> None:
        """Take in one more block."""
        self.samples += len(sound.samples)
        self.file_rate = sound.file_rate
        self.short |= sound.short
        self.silent &= sound.silent
        self.nonfinite += sound.nonfinite


@dataclass(frozen=True)
class Reader:
    """Reads jobs at one rate into windows of one kind."""

    modality: Modality
    sample_rate: int
    embedding: EmbeddingConfig
    nonfinite: Literal["error", "zero"]

    def windows(self, job: Job, facts: SoundFacts) -> Iterator[Window]:
        """The windows of `job` in order, times counted from its start (raises `AudioError`)."""
        windower = Windower(self.embedding, self.sample_rate)
        with at_hand(job.path) as path:
            blocks = self.modality.blocks(
                path, self.sample_rate, BLOCK_S, start_s=job.start_s or 0.0, end_s=job.end_s, nonfinite=self.nonfinite
            )
            for sound in blocks:
                facts.add(sound)
                yield from windower.push(sound.samples)
        yield from windower.finish()

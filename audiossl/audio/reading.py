"""From one sound file to its windows: decoded block by block, in memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from audiossl.audio.decode import blocks
from audiossl.audio.windows import Windower
from audiossl.media import Window
from audiossl.places.fetch import at_hand
from audiossl.recipe.schema import EmbeddingConfig

BLOCK_S = 60.0
"""Seconds decoded at once."""
BATCHES_S = (5.0, 320.0)
"""Seconds that an encoder takes at once, on a CPU and elsewhere."""


class SoundReader:
    """Reads sounds at one rate into windows of one kind.

    Args:
        rate: in Hz.
        embedding: how long windows are.
        nonfinite: what a NaN or infinite sample does: fail its file, or become zero and be counted.

    Raises:
        UsageError: a window or a hop is shorter than one sample.
    """

    one_length: bool = False
    columns: ClassVar[Mapping[str, str]] = {
        "duration_s": "float64",
        "sample_rate": "int32",
        "short": "bool",
        "silent": "bool",
        "nonfinite": "int64",
    }

    def __init__(self, rate: int, embedding: EmbeddingConfig, nonfinite: Literal["error", "zero"] = "error") -> None:
        Windower(embedding, rate)  # refuses impossible windows before anything is read
        self.rate: int | None = rate
        self.batches = (round(BATCHES_S[0] * rate), round(BATCHES_S[1] * rate))
        self._rate, self._embedding, self._nonfinite = rate, embedding, nonfinite

    def parameters(self) -> dict[str, Any]:
        """The windows, and what a sample that is not finite does."""
        return {**self._embedding.model_dump(mode="json"), "nonfinite": self._nonfinite}

    def windows(
        self, path: str | Path, start_s: float | None, end_s: float | None, met: dict[str, Any]
    ) -> Iterator[Window]:
        """The windows in order, times counted from `start_s` (raises `AudioError`)."""
        windower = Windower(self._embedding, self._rate)
        met |= {"duration_s": 0.0, "sample_rate": 0, "short": False, "silent": True, "nonfinite": 0}
        samples = 0
        with at_hand(path) as file:
            for sound in blocks(
                file, self._rate, BLOCK_S, start_s=start_s or 0.0, end_s=end_s, nonfinite=self._nonfinite
            ):
                samples += len(sound.samples)
                met["duration_s"], met["sample_rate"] = samples / self._rate, sound.file_rate
                met["short"] |= sound.short
                met["silent"] &= sound.silent
                met["nonfinite"] += sound.nonfinite
                yield from windower.push(sound.samples)
        yield from windower.finish()

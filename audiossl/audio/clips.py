"""Sounds ready to be cropped: decoded, their whole-clip step done, repeated to a crop, ends padded.

Shapes: S samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audiossl.audio.decode import decode_part, probe
from audiossl.audio.frontend import FrontEnd
from audiossl.errors import AudioError
from audiossl.recipe.schema import Recipe

LONGEST_MEASURED_S = 30
"""Of a longer clip one stretch of so many seconds is measured."""


class SoundClips:
    """Prepared clips as training stores and crops them.

    Args:
        recipe: says how long a crop is.
        frontend: of that recipe.
        frames: of a crop; as many as fit into `data.crop_s` when left out.
    """

    dtype: ClassVar[str] = "float32"

    def __init__(self, recipe: Recipe, frontend: FrontEnd, frames: int | None = None) -> None:
        self._frontend, self._config = frontend, recipe.frontend
        if frames is None:
            frames = max(1, round(recipe.data.crop_s * self._config.sample_rate / self._config.hop))
        self.crop_samples, self.hop = frontend.samples_for(frames), self._config.hop
        self.measured = LONGEST_MEASURED_S * self._config.sample_rate
        decides = {"sample_rate", "waveform", "min_s", "padding", "window_length"}
        self.key = f"{self._config.model_dump_json(include=decides)}|{self.crop_samples}"

    def read(self, path: Path, start_s: float | None, end_s: float | None) -> NDArray[np.float32]:
        """The prepared clip (S,), S >= `crop_samples`; raises `AudioError`."""
        sound = decode_part(path, self._config.sample_rate, start_s, end_s)
        prepared = self._frontend.prepare(sound.samples)
        shortest = self.crop_samples - self._config.window_length
        if len(prepared) < shortest:
            prepared = np.resize(prepared, shortest)
        return self._frontend.pad_context(prepared)

    def length(self, path: Path, start_s: float | None, end_s: float | None) -> int:
        """S of `read`, from the file's header; 0 when it cannot be read."""
        try:
            whole_s = probe(path).duration_s
        except AudioError:
            return 0
        duration_s = min(whole_s, end_s or whole_s) - (start_s or 0.0)
        samples = int(max(duration_s, self._config.min_s) * self._config.sample_rate)
        return max(samples, self.crop_samples - self._config.window_length) + self._config.window_length

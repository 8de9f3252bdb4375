"""Window arithmetic: which seconds of a sound become one embedding. Every number here is a promise.

- Row i starts at `i * hop_s` seconds, exactly, and every window lies inside the sound (to half a sample).
- A tail shorter than a window is no row: choose a smaller `hop_s` to come closer to the end.
- A sound shorter than one window is one row, from 0 to its own end; its samples are repeated to the window's length.
- `window_s: auto` takes a sound of up to `max_window_s` whole, as one row; a longer one in windows of `long_window_s`.
- A window is embedded as if it were a file of its own, so no row depends on the rest of the sound or on block borders.

Windows are cut from a stream of blocks in bounded memory; the cut does not depend on where the blocks end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from audiossl.audio.decode import resample
from audiossl.errors import UsageError
from audiossl.media import Window
from audiossl.recipe.schema import EmbeddingConfig

Samples = npt.NDArray[np.float32]

MAX_CHANNELS = 64


def samples_in(seconds: float, sample_rate: int) -> int:
    """`seconds` as a whole number of samples, rounded."""
    return round(seconds * sample_rate)


def count_windows(n_samples: int, window_s: float, hop_s: float, sample_rate: int) -> int:
    """How many rows a sound of `n_samples` >= 1 gives with a fixed window: at least one."""
    room = n_samples - samples_in(window_s, sample_rate)
    if room < 0:
        return 1
    last = int(room / (hop_s * sample_rate))
    while samples_in((last + 1) * hop_s, sample_rate) <= room:
        last += 1
    while samples_in(last * hop_s, sample_rate) > room:
        last -= 1
    return last + 1


class Windower:
    """Cuts one sound, given block by block at `sample_rate`, into windows.

    Raises:
        UsageError: a window or a hop is shorter than one sample.
    """

    def __init__(self, config: EmbeddingConfig, sample_rate: int) -> None:
        self._config, self._rate = config, sample_rate
        self._window_s: float | None = None if config.window_s == "auto" else config.window_s
        self._buffer: Samples = np.empty(0, np.float32)
        self._dropped = 0  # samples of the sound before the buffer
        self._rows = 0
        for name, seconds in (("window_s", config.window_s), ("hop_s", config.hop_s)):
            if seconds != "auto" and seconds * sample_rate < 1:
                raise UsageError(f"{name} {seconds:g} is shorter than one sample; write at least {1 / sample_rate:.2g}")

    def push(self, samples: Samples) -> list[Window]:
        """The windows that the next block (S,) completes, in order."""
        self._buffer = np.concatenate([self._buffer, samples]) if len(self._buffer) else samples
        if self._window_s is None:
            if len(self._buffer) <= samples_in(self._config.max_window_s, self._rate):
                return []
            self._window_s = self._config.long_window_s
        return self._cut(self._window_s)

    def finish(self) -> list[Window]:
        """The one window of a sound that was shorter than a window, or nothing."""
        if self._rows or not len(self._buffer):
            return []
        whole = self._buffer
        if self._window_s is not None:
            whole = np.resize(whole, samples_in(self._window_s, self._rate))
        return [Window(0.0, len(self._buffer) / self._rate, whole)]

    def _cut(self, window_s: float) -> list[Window]:
        hop_s = window_s if self._config.hop_s == "auto" else self._config.hop_s
        length = samples_in(window_s, self._rate)
        windows = []
        while (start := samples_in(self._rows * hop_s, self._rate) - self._dropped) + length <= len(self._buffer):
            start_s = self._rows * hop_s
            windows.append(Window(start_s, start_s + window_s, self._buffer[start : start + length]))
            self._rows += 1
        if self._rows:
            done = min(start, len(self._buffer))
            self._buffer, self._dropped = self._buffer[done:], self._dropped + done
        return windows


def cut(samples: Samples, sample_rate: int, config: EmbeddingConfig) -> list[Window]:
    """All windows of a whole sound (S,), S >= 1: at least one."""
    windower = Windower(config, sample_rate)
    return windower.push(samples) + windower.finish()


def mono(samples: npt.ArrayLike | Tensor, sample_rate: int | None, rate: int) -> Samples:
    """(S,) float32 at `rate` of (S,) or (channels, S) at `sample_rate`.

    Raises:
        UsageError: no samples, more than two dimensions, not finite, or a rate that no sound has.
    """
    values = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples)
    if np.issubdtype(values.dtype, np.signedinteger):
        values = values / -float(np.iinfo(values.dtype).min)
    if values.ndim not in (1, 2) or not np.issubdtype(values.dtype, np.floating):
        raise UsageError(f"samples are {values.dtype} of shape {values.shape}; give floats (S,) or (channels, S)")
    if values.ndim == 2 and not 1 <= values.shape[0] <= MAX_CHANNELS:
        raise UsageError(f"samples of shape {values.shape} have {values.shape[0]} channels; give (channels, S)")
    one: Samples = np.asarray(values if values.ndim == 1 else values.mean(axis=0), np.float32)
    if not one.size:
        raise UsageError("the sound has no samples; give at least one")
    if not np.isfinite(one).all():
        raise UsageError(f"sample {int(np.argmin(np.isfinite(one)))} is not finite; replace it first")
    if sample_rate is None or not 1000 <= sample_rate <= 768_000:
        told = "is missing" if sample_rate is None else f"of {sample_rate} Hz is outside 1,000 to 768,000 Hz"
        raise UsageError(f"a sample rate {told}; give the sound's own")
    return resample(one, int(sample_rate), rate)

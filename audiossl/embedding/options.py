"""How an extraction runs. Imports no torch, so that the command line can read the defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from audiossl.recipe.base import Auto, Config, Count, Positive

Pool = Literal["mean", "mean+std", "mean+max", "none"]
"""How the frames of a window become its rows; see `pooling.pool_frames`."""


class EmbedOptions(Config):
    """What can be said to `audiossl embed` beside the model and the inputs."""

    window_s: Positive | Auto | None = None
    """Seconds per window; `auto` takes a file of up to 30 s whole. Left out: as the model says."""
    hop_s: Positive | Auto | None = None
    """Seconds between windows; `auto` is the window's length. Left out: as the model says."""
    pool: Pool | None = None
    """Frames over time: their average, with the deviation or the largest beside it (twice the dimensions), or `none`:
    a row per frame. Left out: the encoder's own embedding; of a layer the average."""
    layer: str | None = None
    """A named layer of the encoder whose output is taken instead of its last frames."""
    batch_s: Positive | Auto = "auto"
    """Seconds of sound that the encoder takes at once. `auto`: 320, and on a CPU 5, or up to 20 where windows of
    several files may share a batch, of at most 16."""
    workers: Count | Auto = "auto"
    """Threads, each of which reads and encodes. `auto`: one per core."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    precision: Literal["32", "bf16", "auto"] = "32"
    """Of the encoder. `auto`: bf16 where the device multiplies it in hardware: several times faster, about 1 % off."""
    nonfinite: Literal["error", "zero"] = "error"
    """What a NaN or infinite sample does: fail its file, or become zero and be counted."""
    retry_failed: bool = False
    """Try the files again that failed in an earlier run."""
    engine: Literal["local", "ray"] = "local"
    """Where it runs: this process, or the workers of a Ray cluster (see `engine_ray`)."""
    address: str | None = None
    """Of the Ray cluster: `auto` or `HOST:PORT`. Left out: $RAY_ADDRESS, otherwise one of our own on this machine."""
    shard_items: Count = 1000
    """Files per shard at most."""
    shard_s: Positive = 30.0
    """Seconds of work after which a shard is written, so that a killed run loses no more."""

    @field_validator("address")
    @classmethod
    def _has_its_engine(cls, address: str | None, info: ValidationInfo) -> str | None:
        if address is not None and info.data.get("engine") != "ray":
            raise PydanticCustomError("engine", "is of a Ray cluster; give the engine ray with it")
        return address


class FrameOptions(Config):
    """How a sound is followed in time: an embedding of the window around every timestamp."""

    hop_s: Positive = 0.05
    """Seconds between timestamps, rounded down to a whole number of front-end frames."""
    window_s: Positive | Auto = "auto"
    """Seconds around a timestamp that its embedding hears. `auto`: a training crop, but at most `max_window_s`."""
    max_window_s: Positive = 1.0
    """Longer crops would blur when something happens."""

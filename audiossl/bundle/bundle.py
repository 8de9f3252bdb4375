"""A trained encoder with everything its input needs: front end, normalisation, embedding windows.

Shapes: B windows, S samples, F mel bands, T spectrogram frames, W windows of one sound, U encoder frames, D embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from audiossl.bundle.text import TextSide
from audiossl.bundle.windows import Samples, Window, cut
from audiossl.encoders.base import Encoder
from audiossl.errors import UsageError
from audiossl.modality import modality_of
from audiossl.recipe.schema import EmbeddingConfig, Recipe

Array = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]
Network = Callable[[Tensor], Tensor]
"""From normalised log-mel (B, 1, F, T) to something of each example."""

MAX_CHANNELS = 64


@dataclass(frozen=True)
class Statistics:
    """The normalisation of the training data: `(logmel - mean) / std * scale`, measured over `items` clips.

    Raises:
        ValueError: a value is not finite, or `std` or `scale` is not positive.
    """

    mean: float
    std: float
    items: int = 0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (all(map(math.isfinite, (self.mean, self.std, self.scale))) and self.std > 0 and self.scale > 0):
            raise ValueError(f"mean {self.mean}, std {self.std}, scale {self.scale}: finite, std and scale above 0")

    def normalise(self, x_BCFT: Tensor) -> Tensor:
        """Log-mel (B, 1, F, T) as the encoder wants it."""
        return (x_BCFT - self.mean) * (self.scale / self.std)


@dataclass(eq=False)
class Bundle:
    """An encoder ready to use, in eval mode. `load_bundle`, `untrained_bundle` and `published` make it.

    Attributes:
        recipe: how it was made, every "auto" resolved; its `embedding` section is how sounds become windows.
        frontend: waveforms (B, S) to log-mel (B, 1, F, T).
        encoder: normalised log-mel to embeddings (B, D).
        statistics: the normalisation.
        sha256: of the bundle file, or of what the file would hold.
        about: the rest of the file's metadata: versions, data, training.
        text: of an encoder that learnt from sounds and texts (CLIP); see `embed_text` and `project`.
        path: where the file was when it was read, absolute; None for one that was never read.
    """

    recipe: Recipe
    frontend: Any
    encoder: Encoder
    statistics: Statistics
    sha256: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    text: TextSide | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        for module in (self.frontend, self.encoder, self.text):
            if isinstance(module, nn.Module):
                module.eval().requires_grad_(False)
        if self.device.type == "cpu":
            # Convolutions over channels-last weights take 1.3 to 1.8 times less time on CPUs (measured).
            self.encoder.to(memory_format=torch.channels_last)

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the front end wants; `embed` resamples to it."""
        return int(self.recipe.frontend.sample_rate)

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.encoder.embedding_dim

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.encoder.parameters()).device

    def to(self, device: str | torch.device) -> Bundle:
        """Move the weights; returns self."""
        self.frontend.to(device)
        self.encoder.to(device)
        if self.text is not None:
            self.text.to(device)
        return self

    def normalise(self, x_BCFT: Tensor) -> Tensor:
        """Log-mel (B, 1, F, T) as the encoder wants it."""
        return self.statistics.normalise(x_BCFT)

    def spectrogram(self, x_BS: Tensor) -> Tensor:
        """Normalised log-mel (B, 1, F, T) of prepared waveforms (B, S) at `sample_rate`."""
        return self.normalise(self.frontend(x_BS))

    @torch.inference_mode()
    def encode(self, x_BS: Tensor, *, bf16: bool = False, network: Network | None = None) -> Tensor:
        """Embeddings (B, D), float32, of prepared waveforms (B, S) at `sample_rate`.

        Args:
            x_BS: each `frontend.prepare`d, on the bundle's device.
            bf16: run the encoder in bfloat16 with channels last; the front end stays in float32.
            network: gives the encoder's frames or one of its layers instead, in their own shape.
        """
        x_BCFT = self.spectrogram(x_BS)
        if bf16:
            x_BCFT = x_BCFT.to(memory_format=torch.channels_last)
        with torch.autocast(x_BCFT.device.type, torch.bfloat16, enabled=bf16):
            embeddings = (network or self.encoder)(x_BCFT)
        return embeddings.float()

    def embed(self, samples: npt.ArrayLike | Tensor, sample_rate: int) -> Array:
        """The embedding (D,) of a sound: the mean over its windows.

        Args:
            samples: (S,) or (channels, S), S >= 1; floats of full scale 1, or integers of their type's full scale.
            sample_rate: of `samples`, in Hz.

        Raises:
            UsageError: no samples, more than two dimensions, not finite, or a rate that no sound has.
        """
        mean: Array = self.embed_windows(samples, sample_rate)[1].mean(axis=0)
        return mean

    def embed_windows(
        self, samples: npt.ArrayLike | Tensor, sample_rate: int, *, embedding: EmbeddingConfig | None = None
    ) -> tuple[Times, Array]:
        """Start times (W,) in seconds and embeddings (W, D) of a sound's windows (see `bundle.windows`).

        Args:
            samples: as for `embed`.
            sample_rate: as for `embed`.
            embedding: other windows than the recipe's.
        """
        windows = cut(self._mono(samples, sample_rate), self.sample_rate, embedding or self.recipe.embedding)
        rows = [self.encode(self._batch(window))[0].cpu().numpy() for window in windows]
        return np.array([window.start_s for window in windows]), np.stack(rows)

    @torch.inference_mode()
    def embed_frames(self, samples: npt.ArrayLike | Tensor, sample_rate: int) -> tuple[Times, Array]:
        """Times (U,) in seconds, the middle of each frame, and frame embeddings (U, frame_dim) of a whole sound."""
        mono = self._mono(samples, sample_rate)
        batch = self._batch(Window(0.0, len(mono) / self.sample_rate, mono))
        frames = self.encoder.frames(self.spectrogram(batch))[0].float().cpu().numpy()
        step_s = batch.shape[1] / self.sample_rate / len(frames)
        times: Times = (np.arange(len(frames), dtype=np.float64) + 0.5) * step_s
        return times, frames

    def embed_text(self, texts: Sequence[str]) -> Array:
        """Texts in the space that they share with `project`ed sounds (n, P), each of length 1.

        Raises:
            UsageError: the encoder learnt from sounds alone.
        """
        rows: Array = self._text_side().embed_text(texts).float().cpu().numpy()
        return rows

    def project(self, embeddings: npt.ArrayLike) -> Array:
        """Embeddings (N, D) in the space that they share with texts (N, P), each of length 1.

        Raises:
            UsageError: the encoder learnt from sounds alone.
        """
        rows: Array = self._text_side().project(torch.from_numpy(np.asarray(embeddings, np.float32))).cpu().numpy()
        return rows

    def describe(self) -> dict[str, Any]:
        """What this encoder is, in plain values, for people and `--json`."""
        return {
            "sha256": self.sha256,
            "path": None if self.path is None else str(self.path),
            "encoder": self.recipe.encoder.model_dump(mode="json"),
            "embedding_dim": self.embedding_dim,
            "text_dim": None if self.text is None else self.text.dim,
            "parameters": sum(weight.numel() for weight in self.encoder.parameters()),
            "frontend": self.recipe.frontend.model_dump(mode="json"),
            "statistics": vars(self.statistics),
            "embedding": self.recipe.embedding.model_dump(mode="json"),
            "recipe": self.recipe.name,
            **self.about,
        }

    def _text_side(self) -> TextSide:
        if self.text is None:
            raise UsageError(
                f"the encoder of recipe {self.recipe.name} learnt from sounds alone and knows no text; pretrain one "
                "with texts, e.g. audio/esc50_clip"
            )
        return self.text

    def _batch(self, window: Window) -> Tensor:
        return torch.from_numpy(self.frontend.prepare(window.samples)).to(self.device)[None]

    def _mono(self, samples: npt.ArrayLike | Tensor, sample_rate: int) -> Samples:
        """(S,) float32 at the front end's rate."""
        values = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples)
        if np.issubdtype(values.dtype, np.signedinteger):
            values = values / -float(np.iinfo(values.dtype).min)
        if values.ndim not in (1, 2) or not np.issubdtype(values.dtype, np.floating):
            raise UsageError(f"samples are {values.dtype} of shape {values.shape}; give floats (S,) or (channels, S)")
        if values.ndim == 2 and not 1 <= values.shape[0] <= MAX_CHANNELS:
            raise UsageError(f"samples of shape {values.shape} have {values.shape[0]} channels; give (channels, S)")
        mono: Samples = np.asarray(values if values.ndim == 1 else values.mean(axis=0), np.float32)
        if not mono.size:
            raise UsageError("the sound has no samples; give at least one")
        if not np.isfinite(mono).all():
            raise UsageError(f"sample {int(np.argmin(np.isfinite(mono)))} is not finite; replace it first")
        if not 1000 <= sample_rate <= 768_000:
            raise UsageError(f"a sample rate of {sample_rate} Hz is outside 1,000 to 768,000 Hz; give the sound's own")
        resampled: Samples = modality_of(self.recipe).resample(mono, int(sample_rate), self.sample_rate)
        return resampled

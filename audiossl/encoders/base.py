"""The contract of an encoder, and the one place that builds one from its Config.

Shapes: B batch, F frequency bands, T spectrogram frames, D embedding size, U the encoder's own frames in time.
"""

from __future__ import annotations

import abc
from typing import ClassVar

from torch import Tensor, nn

from audiossl.encoders.layers import Layer


class Encoder(nn.Module, abc.ABC):
    """From log-mel (B, 1, F, T) of any T to an embedding (B, D), or from pictures (B, 3, side, side).

    An encoder whose paper uses (time, frequency) transposes inside itself. Inputs shorter than `min_frames` are
    padded by the encoder with its own smallest value; no T raises. Of pictures F are rows and T columns; where sound
    has frames in time they have rows, from top to bottom.
    """

    embedding_dim: int
    """D of `forward`."""
    frame_dim: int
    """D of `frames`."""
    channels: int = 1
    """Of the input."""
    frames_axis: int = 3
    """Along which axis of the input `frames` run: 3 where it is time, 2 where it is from top to bottom."""
    min_frames: ClassVar[int] = 1
    any_bands: bool = False
    """Whether one network takes spectrograms of any number of bands, or pictures of any size, such as tiles of them."""

    @abc.abstractmethod
    def frames(self, x_BCFT: Tensor) -> Tensor:
        """Embeddings over time (B, U, frame_dim), before pooling."""

    @abc.abstractmethod
    def pool(self, x_BUD: Tensor) -> Tensor:
        """From frame embeddings (B, U, frame_dim) to the embedding (B, embedding_dim)."""

    def layers(self) -> dict[str, Layer]:
        """The layers whose output can be taken instead of `frames`, from input to output; names never change."""
        return {}

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """The embedding (B, embedding_dim) of log-mel (B, 1, F, T)."""
        return self.pool(self.frames(x_BCFT))

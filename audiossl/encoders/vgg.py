"""The VGG-like network of Fonseca et al. (ICASSP 2021), with the state-dict names of its published weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.blocks import ConvBlock
from audiossl.encoders.layers import Layer, time_first
from audiossl.encoders.shapes import pad_frames, require_bands
from audiossl.recipe.encoders import VggLikeConfig


class VggLike(Encoder):
    """Six convolutions, then maximum and mean of all maps, one dense layer and ReLU: (B, 1, F, T) to (B, 512).

    The global maximum and mean are taken over frequency first and over time second, which changes nothing and
    gives frames: each is the maximum (128) and the mean (128) of its own column, before the dense layer.

    Args:
        config: names the network; it has no numbers of its own.
        n_mels: F.
        num_classes: outputs of the classifier `dense_out`, which is absent when left out.

    Raises:
        RecipeError: fewer than 16 mel bands.
    """

    embedding_dim = 512
    frame_dim = 256
    min_frames = 8
    any_bands = True

    def __init__(self, config: VggLikeConfig, n_mels: int, num_classes: int | None = None) -> None:
        super().__init__()
        require_bands(config.name, n_mels, 16)
        self.conv0 = ConvBlock(1, 32, 3)
        self.conv1 = ConvBlock(32, 32, 3)
        self.conv2 = ConvBlock(32, 32, 3, pool=(2, 2))
        self.conv3 = ConvBlock(32, 64, 3)
        self.conv4 = ConvBlock(64, 64, 3, pool=(2, 2))
        self.conv5 = ConvBlock(64, 128, 3, pool=(2, 2))
        self.dense1 = nn.Linear(self.frame_dim, self.embedding_dim)
        self.dense_out = None if num_classes is None else nn.Linear(self.embedding_dim, num_classes)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """Maximum, then mean over frequency (B, T // 8, 256)."""
        maps = pad_frames(x_BCFT, self.min_frames).transpose(2, 3)
        for block in self._blocks():
            maps = block(maps)
        return torch.cat([maps.amax(dim=3), maps.mean(dim=3)], dim=1).transpose(1, 2)

    def pool(self, x_BUD: Tensor) -> Tensor:
        """Maximum of the maxima and mean of the means over time, then the dense layer (B, 512)."""
        maxima, means = x_BUD.chunk(2, dim=2)
        return torch.relu(self.dense1(torch.cat([maxima.amax(dim=1), means.mean(dim=1)], dim=1)))

    def layers(self) -> dict[str, Layer]:
        """The convolution blocks, and the dense layer before its ReLU, which has no time."""
        blocks = {f"conv{number}": Layer(block, time_first) for number, block in enumerate(self._blocks())}
        return {**blocks, "dense1": Layer(self.dense1)}

    def _blocks(self) -> tuple[ConvBlock, ...]:
        return self.conv0, self.conv1, self.conv2, self.conv3, self.conv4, self.conv5

    def logits(self, x_BCFT: Tensor) -> Tensor:
        """The classifier's scores (B, num_classes)."""
        assert self.dense_out is not None, "built without num_classes"
        scores: Tensor = self.dense_out(self(x_BCFT))
        return scores

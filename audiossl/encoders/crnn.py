"""The CRNN of Fonseca et al. (ICASSP 2021): three convolutions and a bidirectional GRU."""

from __future__ import annotations

from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.blocks import ConvBlock
from audiossl.encoders.layers import Layer, outputs, time_first
from audiossl.encoders.shapes import pad_frames, require_bands
from audiossl.recipe.encoders import CrnnConfig


class Crnn(Encoder):
    """From (B, 1, F, T) to the product of both directions' outputs at the last step, (B, 64).

    At the last step the backward direction has read one step only; the paper's code does so.

    Args:
        config: names the network; it has no numbers of its own.
        n_mels: F.
        num_classes: outputs of the classifier `dense`, which is absent when left out.

    Raises:
        RecipeError: fewer than 40 mel bands, which three maxima reduce to one.
    """

    embedding_dim = 64
    frame_dim = 128
    min_frames = 8

    def __init__(self, config: CrnnConfig, n_mels: int, num_classes: int | None = None) -> None:
        super().__init__()
        require_bands(config.name, n_mels, 5 * 4 * 2)
        self.conv1 = ConvBlock(1, 128, 5, pool=(2, 5))
        self.conv2 = ConvBlock(128, 128, 5, pool=(2, 4))
        self.conv3 = ConvBlock(128, 128, 5, pool=(2, 2))
        self.rnn1 = nn.GRU(128 * (n_mels // (5 * 4 * 2)), self.embedding_dim, batch_first=True, bidirectional=True)
        self.dense = None if num_classes is None else nn.Linear(self.embedding_dim, num_classes)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """Outputs of the GRU, forward then backward (B, T // 8, 128)."""
        maps = pad_frames(x_BCFT, self.min_frames).transpose(2, 3)
        maps_BCUF: Tensor = self.conv3(self.conv2(self.conv1(maps)))
        outputs: Tensor = self.rnn1(maps_BCUF.permute(0, 2, 3, 1).flatten(2))[0]
        return outputs

    def pool(self, x_BUD: Tensor) -> Tensor:
        """Forward times backward at the last step (B, 64)."""
        forward, backward = x_BUD[:, -1].chunk(2, dim=1)
        return forward * backward

    def layers(self) -> dict[str, Layer]:
        """The convolution blocks, and the GRU's outputs in both directions."""
        blocks = {"conv1": self.conv1, "conv2": self.conv2, "conv3": self.conv3}
        return {**{name: Layer(block, time_first) for name, block in blocks.items()}, "rnn1": Layer(self.rnn1, outputs)}

    def logits(self, x_BCFT: Tensor) -> Tensor:
        """The classifier's scores (B, num_classes)."""
        assert self.dense is not None, "built without num_classes"
        scores: Tensor = self.dense(self(x_BCFT))
        return scores

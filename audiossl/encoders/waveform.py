"""A light convolutional encoder of raw waveforms, about as costly as AudioNTT2020 on a second at 16 kHz.

The strides are those of CPC's encoder, 160 samples per frame; frames are pooled as in BYOL-A.
"""

from __future__ import annotations

from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, frequency_first
from audiossl.encoders.shapes import pad_frames
from audiossl.recipe.encoders import WaveformCnnConfig

_LAYERS = [(32, 10, 5), (64, 8, 4), (128, 4, 2), (128, 4, 2), (256, 4, 2)]
"""Channels, kernel and stride of each convolution."""


class WaveformCnn(Encoder):
    """From (B, 1, 1, S) to an embedding (B, config.dim): five strided convolutions, an MLP per frame, mean plus max."""

    min_frames = 160

    def __init__(self, config: WaveformCnnConfig, n_mels: int) -> None:
        super().__init__()
        self.embedding_dim = self.frame_dim = config.dim
        blocks, channels_in = [], 1
        for channels, kernel, stride in _LAYERS:
            blocks += _block(channels_in, channels, kernel, stride)
            channels_in = channels
        self.features = nn.Sequential(*blocks)
        self.fc = nn.Sequential(nn.Linear(channels_in, config.dim), nn.ReLU(inplace=True))

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The MLP's output (B, S // 160, D)."""
        maps_BCU: Tensor = self.features(pad_frames(x_BCFT, self.min_frames))[:, :, 0]
        frames: Tensor = self.fc(maps_BCU.transpose(1, 2))
        return frames

    def pool(self, x_BUD: Tensor) -> Tensor:
        """Maximum plus mean over time, (B, U, D) to (B, D)."""
        return x_BUD.amax(dim=1) + x_BUD.mean(dim=1)

    def layers(self) -> dict[str, Layer]:
        """The convolutions after their ReLU, and the MLP's output."""
        blocks = [module for module in self.features if isinstance(module, nn.ReLU)]
        convolutions = {f"conv{number}": Layer(relu, frequency_first) for number, relu in enumerate(blocks, 1)}
        return {**convolutions, "fc": Layer(self.fc)}


def _block(channels_in: int, channels: int, kernel: int, stride: int) -> list[nn.Module]:
    # Half of what the kernel reaches beyond its stride on either side, so that S samples give S // stride columns.
    return [
        nn.ZeroPad2d(((kernel - stride + 1) // 2, (kernel - stride) // 2, 0, 0)),
        nn.Conv2d(channels_in, channels, (1, kernel), (1, stride), bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]

"""The convolutional encoders of BYOL-A: AudioNTT2020 (Niizumi et al., IJCNN 2021) and AudioNTT2022 (TASLP 2023).

State-dict names, the mel-major flattening and the temporal mean plus max are those of the papers, so published
weights fit. Pooling stands before the ReLU: the two commute exactly, and a quarter of the values is cheaper to clip.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, frequency_first
from audiossl.encoders.shapes import pad_frames, require_bands
from audiossl.errors import RecipeError
from audiossl.recipe.encoders import AudioNtt2020Config, AudioNtt2022Config

_CHANNELS = 64


class _AudioNtt(Encoder):
    """Convolution blocks that halve both axes, then an MLP on each remaining frame."""

    features: nn.Sequential
    fc: nn.Sequential

    def convolved(self, x_BCFT: Tensor) -> Tensor:
        """Features (B, U, channels * bands) per frame, the channels of one band side by side."""
        maps_BCFU: Tensor = self.features(pad_frames(x_BCFT, self.min_frames))
        return frequency_first(maps_BCFU)

    def layers(self) -> dict[str, Layer]:
        """The convolution blocks; then of the MLP the hidden layer and the output, both after their ReLU."""
        blocks = [module for module in self.features if isinstance(module, nn.ReLU)]
        return {
            **{f"block{number}": Layer(relu, frequency_first) for number, relu in enumerate(blocks, 1)},
            "hidden": Layer(self.fc[1]),
            "fc": Layer(self.fc),
        }

    def pool(self, x_BUD: Tensor) -> Tensor:
        """Maximum plus mean over time, (B, U, D) to (B, D)."""
        return x_BUD.amax(dim=1) + x_BUD.mean(dim=1)


class AudioNtt2020(_AudioNtt):
    """Three convolution blocks; one frame in eight. Input (B, 1, F, T), embedding (B, config.dim).

    Raises:
        RecipeError: fewer than 16 mel bands.
    """

    min_frames = 8

    def __init__(self, config: AudioNtt2020Config, n_mels: int) -> None:
        super().__init__()
        require_bands(config.name, n_mels, 16)
        self.embedding_dim = self.frame_dim = config.dim
        self.features = nn.Sequential(*_block(1), *_block(_CHANNELS), *_block(_CHANNELS))
        self.fc = _mlp(_CHANNELS * (n_mels // 8), config.dim, config.dim, config.dropout)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The MLP's output (B, T // 8, D)."""
        frames: Tensor = self.fc(self.convolved(x_BCFT))
        return frames


class AudioNtt2022(_AudioNtt):
    """Two convolution blocks whose features stand beside the MLP's output; one frame in four.

    Raises:
        RecipeError: fewer than 16 mel bands, or `config.dim` leaves nothing for the MLP.
    """

    min_frames = 4

    def __init__(self, config: AudioNtt2022Config, n_mels: int) -> None:
        super().__init__()
        require_bands(config.name, n_mels, 16)
        convolved = _CHANNELS * (n_mels // 4)
        if config.dim <= convolved:
            raise RecipeError(
                f"encoder: {n_mels} mel bands give {convolved} convolution features, which leaves nothing of dim "
                f"{config.dim} for the MLP; write dim: {convolved + config.hidden}"
            )
        self.embedding_dim = self.frame_dim = config.dim
        self.features = nn.Sequential(*_block(1), *_block(_CHANNELS))
        self.fc = _mlp(convolved, config.hidden, config.dim - convolved, config.dropout)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """Convolution features, then the MLP's output (B, T // 4, D)."""
        convolved = self.convolved(x_BCFT)
        return torch.cat([convolved, self.fc(convolved)], dim=2)


def _block(channels_in: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, _CHANNELS, 3, padding=1),
        nn.BatchNorm2d(_CHANNELS),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
    ]


def _mlp(dim_in: int, hidden: int, dim_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim_in, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, dim_out),
        nn.ReLU(inplace=True),
    )

"""The convolution block that the VGG-like network and the CRNN of Fonseca et al. (ICASSP 2021) share."""

from __future__ import annotations

from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Convolution without bias, BatchNorm, ReLU and, where `pool` is given, a maximum over (time, frequency) tiles.

    (B, in, T, F) to (B, out, T // pool[0], F // pool[1]). The maximum is taken before the ReLU: the two commute
    exactly, and fewer values are left to clip.
    """

    def __init__(self, channels_in: int, channels: int, kernel: int, pool: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.mp = nn.Identity() if pool is None else nn.MaxPool2d(pool)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps."""
        maps: Tensor = self.relu(self.mp(self.bn(self.conv(x))))
        return maps

"""ResNet-18 (He et al., CVPR 2016) for spectrograms, as Fonseca et al. (ICASSP 2021) use it, and for pictures.

State-dict names are torchvision's. Maps of sound are (B, channels, time, frequency) inside, as in the code of Fonseca
et al.; maps of pictures are (B, channels, rows, columns), as in torchvision. Rows stand where time does.
"""

from __future__ import annotations

from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, time_first
from audiossl.encoders.shapes import require_bands
from audiossl.recipe.encoders import ResNet18Config
from audiossl.recipe.image_encoders import ImageResNet18Config

_STEMS: dict[str, tuple[int, int]] = {"3x3": (3, 1), "3x3/2": (3, 2), "7x7": (7, 2)}
"""Kernel and stride of the first convolution."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; (B, in, T, F) to (B, out, T / stride, F / stride)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        activated: Tensor = self.relu(y.add_(shortcut))
        return activated


class ResNet18(Encoder):
    """From (B, channels, F, T), or pictures, to the average over the last maps, (B, 8 * width); width is 64 for sound.

    Args:
        config: the network for sound, or the one for pictures.
        bands: F, or the side of the pictures.
        channels: of the input.
        num_classes: outputs of the classifier `fc`, which is absent when left out.

    Raises:
        RecipeError: fewer than 16 mel bands, or pixels for the 7x7 stem.
    """

    any_bands = True

    def __init__(
        self,
        config: ResNet18Config | ImageResNet18Config,
        bands: int,
        channels: int = 1,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self._of_pictures = isinstance(config, ImageResNet18Config)
        stem, width = (config.stem, config.width) if isinstance(config, ImageResNet18Config) else ("7x7", 64)
        if stem == "7x7":
            require_bands(config.name, bands, 16, channels)
        self.embedding_dim = self.frame_dim = 8 * width
        self.channels, self.frames_axis = channels, 2 if self._of_pictures else 3
        kernel, stride = _STEMS[stem]
        self.conv1 = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem == "7x7" else nn.Identity()
        self.layer1 = _stage(width, width, 1)
        self.layer2 = _stage(width, 2 * width, 2)
        self.layer3 = _stage(2 * width, 4 * width, 2)
        self.layer4 = _stage(4 * width, 8 * width, 2)
        self.fc = None if num_classes is None else nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The last maps averaged over frequency, or over columns (B, U, 8 * width)."""
        x = x_BCFT if self._of_pictures else x_BCFT.transpose(2, 3)
        # ReLU and maximum commute exactly: pool first, then clip a quarter of the values.
        maps = self.relu(self.maxpool(self.bn1(self.conv1(x))))
        maps_BDUF: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        return maps_BDUF.mean(dim=3).transpose(1, 2)

    def pool(self, x_BUD: Tensor) -> Tensor:
        """The average over time, or over rows (B, 8 * width)."""
        return x_BUD.mean(dim=1)

    def layers(self) -> dict[str, Layer]:
        """The stem after its maximum, and the four stages."""
        stages = {"stem": self.relu, "layer1": self.layer1, "layer2": self.layer2, "layer3": self.layer3}
        return {name: Layer(stage, time_first) for name, stage in {**stages, "layer4": self.layer4}.items()}

    def logits(self, x_BCFT: Tensor) -> Tensor:
        """The classifier's scores (B, num_classes)."""
        assert self.fc is not None, "built without num_classes"
        scores: Tensor = self.fc(self(x_BCFT))
        return scores


def _stage(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(channels_in, channels, stride), BasicBlock(channels, channels, 1))

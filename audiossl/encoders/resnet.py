"""ResNet-18 with a one-channel stem (He et al., CVPR 2016), as Fonseca et al. (ICASSP 2021) use it.

State-dict names are torchvision's. Maps are (B, channels, time, frequency) inside, as in the paper's code.
"""

from __future__ import annotations

from torch import Tensor, nn

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, time_first
from audiossl.encoders.shapes import require_bands
from audiossl.recipe.encoders import ResNet18Config


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
    """From (B, 1, F, T) to the average over the last maps, (B, 512).

    Args:
        config: names the network; it has no numbers of its own.
        n_mels: F.
        num_classes: outputs of the classifier `fc`, which is absent when left out.

    Raises:
        RecipeError: fewer than 16 mel bands.
    """

    embedding_dim = frame_dim = 512
    any_bands = True

    def __init__(self, config: ResNet18Config, n_mels: int, num_classes: int | None = None) -> None:
        super().__init__()
        require_bands(config.name, n_mels, 16)
        self.conv1 = nn.Conv2d(1, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.fc = None if num_classes is None else nn.Linear(512, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The last maps averaged over frequency (B, ceil(T / 32), 512)."""
        # ReLU and maximum commute exactly: pool first, then clip a quarter of the values.
        maps = self.relu(self.maxpool(self.bn1(self.conv1(x_BCFT.transpose(2, 3)))))
        maps_BDUF: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        return maps_BDUF.mean(dim=3).transpose(1, 2)

    def pool(self, x_BUD: Tensor) -> Tensor:
        """The average over time (B, 512)."""
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

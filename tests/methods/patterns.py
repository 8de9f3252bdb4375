"""The world of patterns: 16 smooth pictures under white noise, the one that generative methods can learn.

What a decoder can foretell of a picture is its pattern, and nothing of the noise, which is louder and for which no
embedding has room. No pattern is like another one turned or mirrored.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.methods.toy import CLUSTERS, WORLDS, World

SIZE = 12
NOISE = 1.5


class Patterns(World):
    """Pictures (N, channels, 12, 12) and a small convolutional encoder."""

    channels = 1

    def encoder(self) -> nn.Module:
        layers: list[nn.Module] = []
        for channels_in, channels in ((self.channels, 16), (16, 32)):
            layers += [nn.Conv2d(channels_in, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 9, self.dim))
        encoder.channels = self.channels
        return encoder

    def items(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Patterns (n, channels, 12, 12), each a little its own, and their clusters (n,)."""
        coarse = torch.randn(CLUSTERS, self.channels, 4, 4, generator=torch.Generator().manual_seed(0))
        labels = torch.randint(CLUSTERS, (n,), generator=generator)
        own = coarse[labels] + 0.3 * torch.randn(n, self.channels, 4, 4, generator=generator)
        return F.interpolate(own, (SIZE, SIZE), mode="bicubic"), labels

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        """Under white noise."""
        return items + NOISE * torch.randn(items.shape, generator=generator)


PATTERNS = "patterns"
"""Its name for a `Case`."""
WORLDS[PATTERNS] = Patterns()

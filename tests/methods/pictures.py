"""Two worlds of pictures, each picture seen a little shifted, under noise and on a gradient.

The world of pictures has 16 bent strokes, never symmetric, each a line through four points. To say how a picture was
turned or mirrored, one must know which stroke it is: noise and background look the same whichever way they are turned.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from tests.methods.toy import CLUSTERS, WORLDS, World

SIZE = 16
POINTS = 4


class Pictures(World):
    """Pictures (N, channels, 16, 16) and a small convolutional encoder, which takes any size."""

    channels = 1
    shift = 2
    contrast = 2.0
    slope = 1.0

    def encoder(self) -> nn.Module:
        layers: list[nn.Module] = []
        for channels_in, channels in ((self.channels, 8), (8, 16), (16, 64)):
            layers += [nn.Conv2d(channels_in, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, self.dim))

    def items(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Strokes (n, 1, 16, 16), each with its points a little elsewhere, and their classes (n,)."""
        shapes = 1.6 * torch.rand(CLUSTERS, POINTS, 2, generator=torch.Generator().manual_seed(0)) - 0.8
        labels = torch.randint(CLUSTERS, (n,), generator=generator)
        return draw(shapes[labels] + 0.05 * torch.randn(n, POINTS, 2, generator=generator)), labels

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        """Moved by up to `shift` pixels, louder or softer, on a gradient of any direction, under noise."""
        n = len(items)
        shift = torch.randint(-self.shift, self.shift + 1, (2, n, 1), generator=generator)
        rows, columns = (torch.arange(SIZE) + shift) % SIZE
        moved = items[torch.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]
        gain = 0.7 + 0.6 * torch.rand(n, 1, 1, 1, generator=generator)
        axis = torch.linspace(-1, 1, SIZE)
        slope = self.slope * torch.randn(2, n, 1, 1, 1, generator=generator)
        gradient = slope[0] * axis[:, None] + slope[1] * axis
        return self.contrast * gain * moved + gradient + 0.5 * torch.randn(items.shape, generator=generator)


def draw(points: Tensor) -> Tensor:
    """Pictures (N, 1, 16, 16) of lines through `points` (N, P, 2), which lie between -1 and 1."""
    axis = torch.linspace(-1, 1, SIZE)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, 1, -1, 2)
    start, end = points[:, :-1, None], points[:, 1:, None]
    along = ((pixels - start) * (end - start)).sum(-1) / ((end - start) ** 2).sum(-1).clamp(min=1e-6)
    nearest = start + along.clamp(0, 1)[..., None] * (end - start)
    distance = ((pixels - nearest) ** 2).sum(-1).amin(dim=1)
    return torch.exp(-distance / 0.02).view(-1, 1, SIZE, SIZE)


class Mosaics(Pictures):
    """Pictures of four of eight patches, a patch in each quarter; 16 choices of four, each in an order of its own.

    Where a patch belongs depends on the other three, so that a puzzle needs all of them recognised. A stroke would not
    do: it lies in the middle of its picture, and its ends alone tell left from right.
    """

    shift = 1
    contrast = 1.0

    def items(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (n, 1, 16, 16) with a little noise of their own, and their classes (n,)."""
        fixed = torch.Generator().manual_seed(0)
        patches = smooth_patches(8, fixed)
        choices = torch.tensor(list(itertools.combinations(range(8), 4)))
        choices = choices[torch.randperm(len(choices), generator=fixed)[:CLUSTERS]]
        choices = choices.gather(1, torch.rand(choices.shape, generator=fixed).argsort(dim=1))
        labels = torch.randint(CLUSTERS, (n,), generator=generator)
        quarters = patches[choices[labels]].view(n, 2, 2, 8, 8)
        pictures = quarters.transpose(2, 3).reshape(n, 1, SIZE, SIZE)
        return pictures + 0.3 * torch.randn(pictures.shape, generator=generator), labels


def smooth_patches(n: int, generator: torch.Generator) -> Tensor:
    """Random patches (n, 8, 8) of mean 0 and deviation 1, whose waves are 2.5 pixels or longer."""
    frequency = torch.fft.fftfreq(8)
    size = (frequency[:, None] ** 2 + frequency**2).sqrt()
    spectrum = torch.fft.fft2(torch.randn(n, 8, 8, generator=generator)) * ((size > 0) & (size < 0.4))
    patches = torch.fft.ifft2(spectrum).real
    return patches / patches.std(dim=(1, 2), keepdim=True)


PICTURES, MOSAICS = "pictures", "mosaics"
"""Their names for a `Case`."""
WORLDS.update({PICTURES: Pictures(), MOSAICS: Mosaics()})

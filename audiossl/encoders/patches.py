"""The encoder of CPC for pictures (van den Oord et al. 2018, section 3.3): overlapping patches, and context from above.

Each patch is encoded alone. The context of a row of patches knows this row and those above it, and nothing below: the
masked convolutions are those that Henaff et al. (2020, appendix) write out, and no norm looks at two patches.
Shapes: R rows and K columns of patches, D channels of the last convolution.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, time_first
from audiossl.encoders.shapes import pad_frames
from audiossl.errors import RecipeError
from audiossl.recipe.image_encoders import PatchesConfig


class Patches(Encoder):
    """From pictures (B, channels, side, side) to the mean context of their patches (B, config.channels[-1]).

    Raises:
        RecipeError: a patch is larger than the pictures.
    """

    any_bands = True
    frames_axis = 2

    def __init__(self, config: PatchesConfig, side: int, channels: int = 3) -> None:
        super().__init__()
        if config.side > side:
            raise RecipeError(
                f"encoder: a patch of {config.side} pixels is larger than the pictures of {side}; "
                f"write encoder.side: {side // 4 or 1}, a quarter of theirs"
            )
        self.embedding_dim = self.frame_dim = self.latent_dim = config.channels[-1]
        self.channels = channels
        self.patches = _PatchEncoder(config, channels)
        self.above = nn.Sequential(*(_Above(self.latent_dim) for _ in range(config.rows_above)))

    def latents(self, x_BCHW: Tensor) -> Tensor:
        """What there is to see in each patch (B * K, R, D), column by column of each picture: z of the paper."""
        maps_BDRK: Tensor = self.patches(x_BCHW)
        return maps_BDRK.permute(0, 3, 2, 1).flatten(0, 1)

    def context(self, z_NRD: Tensor) -> Tensor:
        """What the rows up to each one tell, from the latents of square pictures (N, R, D): c of the paper."""
        rows, size = z_NRD.shape[1:]
        maps_BDRK = z_NRD.reshape(-1, rows, rows, size).permute(0, 3, 2, 1)
        context_BDRK: Tensor = self.above(maps_BDRK)
        return context_BDRK.permute(0, 3, 2, 1).flatten(0, 1)

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The context of every row, averaged over its patches (B, R, D)."""
        context_BDRK: Tensor = self.above(self.patches(x_BCFT))
        return context_BDRK.mean(dim=3).transpose(1, 2)

    def pool(self, x_BUD: Tensor) -> Tensor:
        """The average over rows (B, D)."""
        return x_BUD.mean(dim=1)

    def layers(self) -> dict[str, Layer]:
        """The latents, and what each further row above adds to them."""
        blocks = {f"above{number}": Layer(block, time_first) for number, block in enumerate(self.above, 1)}
        return {"patches": Layer(self.patches, time_first), **blocks}


class _PatchEncoder(nn.Module):
    """Convolutions over each patch alone, then the average over it; (B, channels, H, W) to (B, D, R, K)."""

    def __init__(self, config: PatchesConfig, channels: int) -> None:
        super().__init__()
        self.side, self.stride = config.side, config.stride
        layers: list[nn.Module] = []
        for size, halving in zip(config.channels, [1, *[2] * len(config.channels)], strict=False):
            layers += [nn.Conv2d(channels, size, 3, halving, padding=1, bias=False), nn.GroupNorm(1, size), nn.ReLU()]
            channels = size
        self.convolutions = nn.Sequential(*layers)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The latents as a map; what is smaller than a patch is padded to one."""
        x_BCHW = pad_frames(pad_frames(x_BCHW, self.side).transpose(2, 3), self.side).transpose(2, 3)
        cut = x_BCHW.unfold(2, self.side, self.stride).unfold(3, self.side, self.stride).permute(0, 2, 3, 1, 4, 5)
        maps: Tensor = self.convolutions(cut.flatten(0, 2))
        return maps.mean(dim=(2, 3)).view(*cut.shape[:3], -1).permute(0, 3, 1, 2)


class _Above(nn.Module):
    """A residual block that adds what stands one row above, beside and in each place; (B, D, R, K) to the same."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.inwards, self.outwards = nn.Conv2d(size, size, 1), nn.Conv2d(size, size, 1)
        self.beside = nn.Conv2d(size, size, (1, 3), padding=(0, 1))
        self.upwards = nn.Conv2d(size, size, (2, 1))

    def forward(self, x_BDRK: Tensor) -> Tensor:
        """The context of one row more."""
        maps = self.beside(F.relu(self.inwards(x_BDRK)))
        maps = self.upwards(F.pad(maps, (0, 0, 1, 0)))
        added: Tensor = x_BDRK + self.outwards(F.relu(maps))
        return added

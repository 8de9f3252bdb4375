"""The encoder of CPC (van den Oord et al. 2018): strided convolutions and a GRU that never look ahead.

Frame u of the encoder has seen the input up to, not including, column (u + 1) * stride, and nothing after it: every
convolution is padded on the left only, and the norms look at one frame each.
Shapes: U frames in time, L channels of the last convolution, C context.
"""

from __future__ import annotations

from math import prod

from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.encoders.base import Encoder
from audiossl.encoders.layers import Layer, frequency_first, outputs
from audiossl.encoders.shapes import pad_frames, require_bands
from audiossl.recipe.encoders import CausalConfig, CausalWaveformConfig


class Causal(Encoder):
    """From log-mel (B, 1, F, T), or a waveform (B, 1, 1, S), to the GRU's mean output (B, config.context).

    The log-mel's own frames reach half a window ahead of their centres; the promise counts its columns.

    Raises:
        RecipeError: fewer than 16 mel bands, unless the config asks for waveforms.
    """

    def __init__(self, config: CausalConfig, n_mels: int) -> None:
        super().__init__()
        bands = 1 if isinstance(config, CausalWaveformConfig) else n_mels
        if bands > 1:
            require_bands(config.name, n_mels, 16)
        sizes = [bands, *config.channels]
        self.convolutions = nn.Sequential(
            *(_CausalBlock(*layer) for layer in zip(sizes, sizes[1:], config.kernels, config.strides, strict=False))
        )
        self.stride = prod(config.strides)
        """Input columns per frame."""
        self.latent_dim = sizes[-1]
        """L of `latents`."""
        self.embedding_dim = self.frame_dim = config.context
        self.gru = nn.GRU(self.latent_dim, config.context, batch_first=True)

    def latents(self, x_BCFT: Tensor) -> Tensor:
        """What there is to hear in each frame (B, T // stride, L): z of the paper."""
        # Bands become channels; a dimension of 1 is kept, because channels-last convolutions are the fast ones.
        maps_BLU: Tensor = self.convolutions(pad_frames(x_BCFT, self.stride).transpose(1, 2))[:, :, 0]
        return maps_BLU.transpose(1, 2)

    def context(self, z_BUL: Tensor) -> Tensor:
        """What the frames up to each one tell (B, U, C): c of the paper. Every example starts from a zero state."""
        context: Tensor = self.gru(z_BUL)[0]
        return context

    def frames(self, x_BCFT: Tensor) -> Tensor:
        """The context of every frame (B, T // stride, C)."""
        return self.context(self.latents(x_BCFT))

    def pool(self, x_BUD: Tensor) -> Tensor:
        """The average over time (B, C)."""
        return x_BUD.mean(dim=1)

    def layers(self) -> dict[str, Layer]:
        """The convolutions, and the GRU's outputs."""
        convolutions = {
            f"conv{number}": Layer(block, frequency_first) for number, block in enumerate(self.convolutions, 1)
        }
        return {**convolutions, "gru": Layer(self.gru, outputs)}


class _CausalBlock(nn.Module):
    """Convolution over time, LayerNorm over the channels of each frame, ReLU; (B, in, 1, T) to (B, out, 1, T // s)."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.before = kernel - stride
        self.conv = nn.Conv2d(channels_in, channels, (1, kernel), (1, stride))
        self.norm = nn.LayerNorm(channels)

    def forward(self, x_BC1T: Tensor) -> Tensor:
        """The block's maps."""
        maps: Tensor = self.conv(F.pad(x_BC1T, (self.before, 0)))
        normed: Tensor = self.norm(maps.permute(0, 2, 3, 1))
        return F.relu(normed, inplace=True).permute(0, 3, 1, 2)

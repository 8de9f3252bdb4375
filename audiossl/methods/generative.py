"""Generative methods that rebuild a clip: what it takes to do so must have passed through the encoder.

Shapes: N clips, C channels, D embedding size, U the encoder's own frames, F frequency bands, T frames.
"""

from __future__ import annotations

import abc
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import RecipeError
from audiossl.methods.base import At, OneView
from audiossl.methods.decoders import Decoder
from audiossl.methods.losses.generative import active_units, gaussian_error, squared_error, vae_kl
from audiossl.recipe.methods.generative import DenoisingConfig, MaskedModellingConfig, VaeConfig

C = TypeVar("C", DenoisingConfig, MaskedModellingConfig)


class Rebuilding(OneView[C], abc.ABC):
    """A method whose decoder rebuilds a view from what the encoder says of a damaged copy of it."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the decoder."""
        frame_dim, along = 0, None
        if self.config.decode_from == "frames":
            frame_dim, along = int(self.encoder.frame_dim), int(self.encoder.frames_axis)  # type: ignore[arg-type]
        outputs = input_channels(self.encoder)
        self.decoder = Decoder(embedding_dim + frame_dim, self.config.decoder, outputs=outputs, along=along)

    def rebuild(self, x_NCFT: Tensor) -> Tensor:
        """What the decoder makes (N, C, F, T) of what the encoder says of `x_NCFT`."""
        size = x_NCFT.shape[2:]
        if self.config.decode_from == "embedding":
            return self.decoder(self.encoder(x_NCFT), size)  # type: ignore[no-any-return]
        frames_NUD = self.encoder.frames(x_NCFT)  # type: ignore[operator]
        whole_ND = self.encoder.pool(frames_NUD)  # type: ignore[operator]
        everywhere_NUD = whole_ND[:, None].expand(-1, frames_NUD.shape[1], -1)
        return self.decoder(torch.cat([frames_NUD, everywhere_NUD], dim=2), size)  # type: ignore[no-any-return]


class Denoising(Rebuilding[DenoisingConfig]):
    """Denoising autoencoder (Vincent et al. 2008)."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Mean squared error of the clean view (N, C, F, T), rebuilt from a corrupted one."""
        return {"loss": squared_error(self.rebuild(self.corrupt(views[0])), views[0])}

    def corrupt(self, x_NCFT: Tensor) -> Tensor:
        """Gaussian noise on every value, then zeros in a share of them, as many in each clip."""
        noisy = x_NCFT + self.config.sigma * torch.randn_like(x_NCFT) if self.config.sigma else x_NCFT
        return noisy.masked_fill(draw_mask(noisy, (1, 1), self.config.masked), 0) if self.config.masked else noisy


class MaskedModelling(Rebuilding[MaskedModellingConfig]):
    """Masked spectrogram modelling (He et al. 2022; with spectrograms, Niizumi et al. 2022), for any encoder.

    A convolutional encoder cannot leave hidden patches out; it sees `fill` in their place, as in SimMIM (Xie et al.
    2022).
    """

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the decoder and what stands in a hidden patch."""
        super().build(embedding_dim, n_items)
        self.fill = nn.Parameter(torch.zeros(()), requires_grad=self.config.fill == "learnt")

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Mean squared error over the hidden patches of the view (N, C, F, T)."""
        view = views[0]
        hidden = draw_mask(view, self.config.patch, self.config.masked)
        rebuilt = self.rebuild(torch.where(hidden, self.fill.to(view.dtype), view))
        target = normalise_patches(view, self.config.patch) if self.config.normalise_patches else view
        return {"loss": squared_error(rebuilt, target, hidden)}


class Vae(OneView[VaeConfig]):
    """Variational autoencoder (Kingma and Welling 2014) with a Gaussian decoder of variance 1."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the linear heads of mean and log-variance, and the decoder."""
        self.mean = nn.Linear(embedding_dim, self.config.latent)
        self.log_variance = nn.Linear(embedding_dim, self.config.latent)
        self.decoder = Decoder(self.config.latent, self.config.decoder, outputs=input_channels(self.encoder))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Minus the evidence lower bound of the view (N, C, F, T), up to a constant, with `beta` on the KL.

        Logged beside it: `error` (the Gaussian part), `kl`, and `active_units`, which falls to 0 at posterior collapse.
        """
        embedding = self.encoder(views[0])
        # At least float32, also under autocast, where exp of the log-variance would be rough.
        wide = torch.promote_types(embedding.dtype, torch.float32)
        mean, log_variance = self.mean(embedding).to(wide), self.log_variance(embedding).to(wide)
        sample = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        error = gaussian_error(self.decoder(sample, views[0].shape[2:]), views[0])
        kl = vae_kl(mean, log_variance)
        loss = error + self.config.beta * kl
        return {"loss": loss, "error": error, "kl": kl, "active_units": active_units(mean)}


def input_channels(encoder: nn.Module) -> int:
    """C of what `encoder` takes; 1 where it does not say."""
    return int(getattr(encoder, "channels", 1))


def draw_mask(x_NCFT: Tensor, patch: tuple[int, int], share: float) -> Tensor:
    """True (N, 1, F, T) in round(share * patches) patches of each clip, drawn from torch's global generator.

    Args:
        x_NCFT: gives size and device.
        patch: bands and frames; those at the upper and the late edge may be cut.
        share: of the patches.

    Raises:
        RecipeError: the share of so few patches is none of them or all.
    """
    n, _, bands, frames = x_NCFT.shape
    rows, columns = -(-bands // patch[0]), -(-frames // patch[1])
    hidden = round(share * rows * columns)
    if not 0 < hidden < rows * columns:
        raise RecipeError(
            f"method: a share of {share:g} hides {hidden} of {rows * columns} patches where a clip of {bands} bands "
            f"and {frames} frames is cut into patches of {patch[0]} by {patch[1]}; write a smaller patch"
        )
    rank = torch.rand(n, rows * columns, device=x_NCFT.device).argsort(dim=1)
    mask = (rank < hidden).view(n, 1, rows, columns)
    return mask.repeat_interleave(patch[0], 2).repeat_interleave(patch[1], 3)[:, :, :bands, :frames]


def normalise_patches(x_NCFT: Tensor, patch: tuple[int, int]) -> Tensor:
    """Each patch of each channel, its mean subtracted, divided by its deviation (epsilon 1e-6); (N, C, F, T)."""

    def average(values: Tensor) -> Tensor:
        means = F.avg_pool2d(values, patch, ceil_mode=True, count_include_pad=False)
        spread = means.repeat_interleave(patch[0], 2).repeat_interleave(patch[1], 3)
        return spread[:, :, : values.shape[2], : values.shape[3]]

    centred = x_NCFT - average(x_NCFT)
    return centred * (average(centred.square()) + 1e-6).rsqrt()

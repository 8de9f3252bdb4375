"""Generative methods: the encoder learns by rebuilding or telling real from made. Defaults are the papers'."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.recipe.base import Count, NonNegative, Positive
from audiossl.recipe.methods.base import MethodBase

Channels = Annotated[tuple[Count, ...], Field(min_length=1)]
"""Channels of a decoder's maps, the coarsest first; each block enlarges both axes about twofold."""

Share = Annotated[float, Field(gt=0, lt=1)]


class _DecodingConfig(MethodBase):
    """One view; a decoder beside the encoder."""

    family = "generative"
    needs = "one view of a clip"
    decoder: Channels = (128, 64, 32, 16)
    """Channels of the decoder."""


class _RebuildingConfig(_DecodingConfig):
    """The decoder may also be given the encoder's frames."""

    decode_from: Literal["embedding", "frames"] = "embedding"
    """`frames`: from the encoder's frames, in time or from top to bottom, each beside the embedding of the whole clip.
    An embedding that was averaged over them cannot say when or where something was."""


class DenoisingConfig(_RebuildingConfig):
    """Denoising autoencoder (Vincent et al. 2008): the clean clip is rebuilt from a corrupted one."""

    paper = "Vincent et al. 2008"
    name: Literal["denoising"] = "denoising"
    sigma: NonNegative = 0.0
    """Deviation of Gaussian noise added to every value."""
    masked: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of the values that are set to zero."""


class MaskedModellingConfig(_RebuildingConfig):
    """Masked spectrogram modelling (He et al. 2022, Niizumi et al. 2022): hidden patches are rebuilt from the rest."""

    paper = "He et al. 2022, Niizumi et al. 2022"
    name: Literal["masked_modelling"] = "masked_modelling"
    decode_from: Literal["embedding", "frames"] = "frames"
    patch: tuple[Count, Count] = (16, 16)
    """Bands and frames of a patch, or rows and columns."""
    masked: Share = 0.75
    """Share of the patches that are hidden."""
    fill: Literal["learnt", "zero"] = "learnt"
    """What stands in a hidden patch."""
    normalise_patches: bool = True
    """Each patch is to be rebuilt with its own mean and deviation taken out."""


class VaeConfig(_DecodingConfig):
    """Variational autoencoder (Kingma and Welling 2014): clips are rebuilt from a sample of a Gaussian each."""

    paper = "Kingma and Welling 2014"
    name: Literal["vae"] = "vae"
    latent: Count = 64
    """Dimensions of the Gaussian."""
    beta: Positive = 1.0
    """Weight of the KL divergence from the prior (Higgins et al. 2017)."""


class SsGanConfig(MethodBase):
    """SS-GAN (Chen et al. 2019): the encoder tells real from made clips, and how a clip was turned."""

    family = "generative"
    needs = "one view of a clip"
    paper = "Chen et al. 2019"
    name: Literal["ss_gan"] = "ss_gan"
    transforms: Literal["flips", "rotations"] = "flips"
    """`flips`: as it is, back to front in time, upside down in frequency, both. `rotations`: by 0, 90, 180 and 270
    degrees, as in the paper; for square pictures only."""
    beta: NonNegative = 1.0
    """Weight of the discriminator's loss over transforms of real clips."""
    alpha: NonNegative = 0.2
    """Weight of the generator's loss over transforms of its own clips."""
    generator: Channels = (128, 64, 32, 16)
    """Channels of the generator, which is a decoder."""
    noise: Count = 128
    """Dimensions of the noise that the generator turns into a clip."""
    generator_rate: Positive = 1.0
    """The generator's learning rate, in units of the recipe's, which is the discriminator's."""
    generator_every: Count = 1
    """The generator learns at every so many steps, the discriminator at each."""

"""Losses of methods that rebuild or invent what the encoder is given.

Shapes: N clips, C channels, D latent size, F frequency bands, T frames.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.precision import full_precision


@full_precision
def squared_error(rebuilt_NCFT: Tensor, target_NCFT: Tensor, where_NCFT: Tensor | None = None) -> Tensor:
    """Mean squared error, per clip over the places of `where`, then over the clips.

    Args:
        rebuilt_NCFT: what the decoder made.
        target_NCFT: what it should have made.
        where_NCFT: True where it counts, at least one place per clip, of all channels or of each; everywhere when None.

    Returns:
        A scalar.
    """
    error = (rebuilt_NCFT - target_NCFT).square()
    if where_NCFT is None:
        return error.mean()
    kept = error.masked_fill(~where_NCFT, 0).sum(dim=(1, 2, 3))
    return (kept / where_NCFT.expand_as(error).sum(dim=(1, 2, 3))).mean()


@full_precision
def vae_kl(mean_ND: Tensor, log_variance_ND: Tensor) -> Tensor:
    """KL divergence of N(mean, diag(variance)) from N(0, 1) (Kingma and Welling 2014, appendix B).

    -1/2 * sum_d (1 + log variance - mean^2 - variance), averaged over the batch. A standard normal gives 0.
    """
    # expm1 keeps what 1 - variance loses near the standard normal.
    variance_part = torch.expm1(log_variance_ND) - log_variance_ND
    return 0.5 * (variance_part + mean_ND.square()).sum(dim=1).mean()


@full_precision
def gaussian_error(rebuilt_NCFT: Tensor, target_NCFT: Tensor) -> Tensor:
    """-log N(target; rebuilt, 1) up to its constant: half the squared error, summed per clip, averaged over the batch.

    A sum over the places, as is the KL over the latent dimensions: a mean of either would change beta unseen.
    """
    return 0.5 * (rebuilt_NCFT - target_NCFT).square().flatten(1).sum(dim=1).mean()


@full_precision
def active_units(mean_ND: Tensor) -> Tensor:
    """Latent dimensions that say something: those whose mean varies over the clips by more than 0.01 (Burda 2016).

    0 is posterior collapse.
    """
    return (mean_ND.var(dim=0, correction=0) > 0.01).sum().to(mean_ND.dtype)


@full_precision
def hinge_discriminator(real_N: Tensor, fake_N: Tensor) -> Tensor:
    """The discriminator's hinge loss: mean max(0, 1 - real) + mean max(0, 1 + fake). Scores of 0 give 2."""
    return F.relu(1 - real_N).mean() + F.relu(1 + fake_N).mean()


@full_precision
def hinge_generator(fake_N: Tensor) -> Tensor:
    """The generator's side of it: minus the mean score of its fakes."""
    return -fake_N.mean()


@full_precision
def transform_error(logits_NK: Tensor, transform_N: Tensor) -> Tensor:
    """Cross-entropy of the transform that each clip went through. Logits all equal give log K."""
    return F.cross_entropy(logits_NK, transform_N)

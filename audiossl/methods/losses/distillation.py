"""Losses that compare a prediction with a target which no gradient enters. Shapes: N clips, D embedding size."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.precision import full_precision


@full_precision
def negative_cosine(prediction_ND: Tensor, target_ND: Tensor) -> Tensor:
    """One direction of SimSiam's loss (Chen and He 2021): the mean of -cos(prediction, target), -1 to 1.

    Args:
        prediction_ND: not necessarily normalised.
        target_ND: not necessarily normalised; gets no gradient.

    Returns:
        A scalar.
    """
    return -F.cosine_similarity(prediction_ND, target_ND.detach(), dim=1).mean()


@full_precision
def byol(prediction_ND: Tensor, target_ND: Tensor) -> Tensor:
    """One direction of BYOL's loss (Grill et al. 2020): the mean squared distance of unit vectors, 2 - 2 cos, 0 to 4.

    The method adds both directions; their mean would halve the learning rate.

    Args:
        prediction_ND: not necessarily normalised.
        target_ND: not necessarily normalised; gets no gradient.

    Returns:
        A scalar.
    """
    return 2 + 2 * negative_cosine(prediction_ND, target_ND)

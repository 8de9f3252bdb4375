"""What is done to features before a head sees them; fitted on training items only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.protocol import Protocol

Doubles = NDArray[np.float64]
Scale = Callable[[Doubles], Doubles]

EPSILON = 1e-5
"""Added to the variance of a row, as by torch's LayerNorm."""


def fit_scaler(protocol: Protocol, x_ND: Doubles) -> Scale:
    """The protocol's scaler, fitted on the training features (N, D)."""
    if protocol.scaler == "none":
        return lambda x: x
    if protocol.scaler == "layernorm":
        return layernorm_rows
    from sklearn.preprocessing import StandardScaler, normalize

    if protocol.scaler == "l2":
        return normalize  # type: ignore[no-any-return]
    transform: Scale = StandardScaler().fit(x_ND).transform
    return transform


def layernorm_rows(x_ND: Doubles) -> Doubles:
    """Each row with zero mean and unit variance over its own dimensions."""
    centred_ND = x_ND - x_ND.mean(axis=1, keepdims=True)
    scaled_ND: Doubles = centred_ND / np.sqrt(x_ND.var(axis=1, keepdims=True) + EPSILON)
    return scaled_ND

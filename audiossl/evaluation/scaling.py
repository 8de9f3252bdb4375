"""What is done to features before a head sees them; fitted on training items only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.protocol import Protocol

Doubles = NDArray[np.float64]


def fit_scaler(protocol: Protocol, x_ND: Doubles) -> Callable[[Doubles], Doubles]:
    """The protocol's scaler, fitted on the training features (N, D)."""
    if protocol.scaler == "none":
        return lambda x: x
    from sklearn.preprocessing import StandardScaler

    transform: Callable[[Doubles], Doubles] = StandardScaler().fit(x_ND).transform
    return transform

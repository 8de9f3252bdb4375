"""The fixed fill by which two implementations of one network are compared without weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


@torch.no_grad()
def fill(network: nn.Module) -> None:
    """Fill entry i of the state dict from RandomState(i), as the note beside the reference arrays says."""
    for i, (name, tensor) in enumerate(network.state_dict().items()):
        if name.endswith("num_batches_tracked"):
            continue
        a = np.random.RandomState(i).standard_normal(tuple(tensor.shape)).astype(np.float32)
        if name.endswith("running_var"):
            a = 0.5 * np.abs(a) + 0.5
        elif tensor.dim() >= 2:
            a = a * np.sqrt(2 / np.prod(tensor.shape[1:]))
        elif name.endswith("weight"):
            a = 1 + 0.1 * a
        else:
            a = 0.1 * a
        tensor.copy_(torch.from_numpy(np.asarray(a, np.float32)))

"""Heads that are trained by gradient descent, with weights that are a pure function of a seed.

Nothing here draws from torch's global random state, which other threads share.

Letters: B items of a batch, D dimensions, K classes.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from audiossl.evaluation.protocol.base import HeadConfig
from audiossl.evaluation.protocol.gradient import LinearConfig, MlpConfig, Xavier


def build_head(config: HeadConfig, dim: int, n_classes: int, stream: torch.Generator) -> nn.Module:
    """A new head from embeddings (B, D) to logits (B, K), on the CPU.

    Args:
        config: of a head with all its lists resolved.
        dim: D.
        n_classes: K.
        stream: where the weights come from, and later what dropout leaves out.
    """
    if isinstance(config, LinearConfig):
        front = [nn.LayerNorm(dim)] if config.layer_norm else []
        return nn.Sequential(*front, _linear(dim, n_classes, stream))
    assert isinstance(config, MlpConfig) and isinstance(config.hidden_layers, int) and isinstance(config.xavier, str)
    sizes = [dim] + [config.width] * config.hidden_layers
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers.append(_linear(n_in, n_out, stream, config.xavier, gain=sqrt(2) if layers else 1.0))
        layers += [nn.BatchNorm1d(n_out), Dropout(config.dropout, stream), nn.ReLU()]
    layers.append(_linear(config.width, n_classes, stream, config.xavier, gain=sqrt(2)))
    return nn.Sequential(*layers)


class Dropout(nn.Module):
    """Dropout from a random stream of its own."""

    def __init__(self, p: float, stream: torch.Generator) -> None:
        super().__init__()
        self.p, self._stream = p, stream

    def forward(self, x: Tensor) -> Tensor:
        """`x` with a share `p` of its entries zero and the others larger, while training."""
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape, generator=self._stream).to(x.device) >= self.p
        return x * kept / (1 - self.p)


def _linear(
    n_in: int, n_out: int, stream: torch.Generator, xavier: Xavier | None = None, gain: float = 1.0
) -> nn.Linear:
    """Uniform within 1 / sqrt(n_in), as torch's own; with `xavier` the weights are as Glorot and Bengio say."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, n_in, n_out)  # type: ignore[no-untyped-call]
    bound = 1 / sqrt(n_in)
    if xavier == "uniform":
        nn.init.xavier_uniform_(layer.weight, gain, generator=stream)
    elif xavier == "normal":
        nn.init.xavier_normal_(layer.weight, gain, generator=stream)
    else:
        nn.init.uniform_(layer.weight, -bound, bound, generator=stream)
    nn.init.uniform_(layer.bias, -bound, bound, generator=stream)
    return layer

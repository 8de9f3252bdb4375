"""Projection heads from a few words: "512 bn relu 128"."""

from __future__ import annotations

from torch import nn


def build_head(spec: str, dim_in: int) -> nn.Sequential:
    """The layers of `spec` in order, on inputs (N, dim_in).

    Args:
        spec: a number is a Linear layer of that many outputs, `bn` is BatchNorm1d, `bn_plain` the same without
            scale and shift, `relu` is ReLU. The first word is a number.
        dim_in: size of the input.
    """
    layers: list[nn.Module] = []
    dim = dim_in
    for word in spec.split():
        if word.isdigit():
            layers.append(nn.Linear(dim, int(word)))
            dim = int(word)
        elif word == "relu":
            layers.append(nn.ReLU(inplace=True))
        else:
            layers.append(nn.BatchNorm1d(dim, affine=word == "bn"))
    return nn.Sequential(*layers)

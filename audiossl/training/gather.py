"""Embeddings of all ranks in front of a batch-coupled loss, so that several processes equal one.

Forward: all_gather. Backward: all_reduce of the gradient, of which each rank keeps its own rows. Every rank then
holds the gradient of the joint loss with respect to its rows times the number of ranks, which the averaging of
`DistributedDataParallel` divides out again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z_ND: Tensor) -> Tensor:
        parts = [torch.empty_like(z_ND) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, z_ND.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient.chunk(distributed.get_world_size())[distributed.get_rank()]


def gather_rows(z_ND: Tensor) -> Tensor:
    """The rows (N * ranks, D) of all ranks in rank order, with gradient; `z_ND` itself when there is one rank."""
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return z_ND
    gathered: Tensor = _Gather.apply(z_ND)
    return gathered

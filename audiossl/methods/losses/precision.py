"""What every loss is wrapped in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(loss: Callable[P, R]) -> Callable[P, R]:
    """Run `loss` outside autocast with half-precision tensors (alone or in lists) widened to float32.

    At least one positional argument is a tensor or a list of tensors.
    """

    @wraps(loss)
    def wide(*args: P.args, **kwargs: P.kwargs) -> R:
        device = next(a.device.type for a in _flat(args) if isinstance(a, Tensor))
        with torch.autocast(device, enabled=False):
            return loss(*map(_widened, args), **kwargs)

    return wide


def _flat(args: Any) -> list[Any]:
    return [part for a in args for part in (a if isinstance(a, list) else [a])]


def _widened(value: Any) -> Any:
    if isinstance(value, list):
        return [_widened(part) for part in value]
    return value.float() if isinstance(value, Tensor) and value.dtype in (torch.half, torch.bfloat16) else value

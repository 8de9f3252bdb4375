"""BYOL-A's mixup with inputs of the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from audiossl.recipe.spectrogram_views import LogMixupExpConfig
from audiossl.views.base import Augmentation, Draw, per_example

EPS = torch.finfo(torch.float32).eps
LARGEST = 80.0
"""Of the normalised values, so that their exponential is a number; real ones stay below 20."""


class LogMixupExp(Augmentation):
    """`log((1 - a) exp(x) + a exp(past) + eps)`, the past input drawn from a memory (BYOL-A, Niizumi et al. 2021).

    The memory is the one state among the augmentations: the last inputs of the view, unmixed, first in first out,
    and the number of inputs ever seen. Both are buffers, so a checkpoint holds them. A batch is drawn against the
    memory as it was before it; the first batch, and the first of another size, mixes with itself, which is no change.
    """

    memory: Tensor
    seen: Tensor

    def __init__(self, config: LogMixupExpConfig) -> None:
        super().__init__(config.p)
        self.alpha, self.size = config.alpha, config.memory
        self.register_buffer("memory", torch.empty(0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def draw(self, x: Tensor, draw: Draw) -> Mapping[str, Tensor]:
        """`alpha` (B,) and `past` (B, 1, F, T)."""
        share = draw.uniform(0, self.alpha, x.shape[0])
        index = draw.up_to((self.seen.clamp(1, self.size) - 1).expand(x.shape[0]))
        return {"alpha": share, "past": self.memory.index_select(0, index) if self._fits(x) else x}

    def apply(self, x: Tensor, alpha: Tensor, past: Tensor) -> Tensor:  # type: ignore[override]
        """`x` with `past` behind it."""
        mixed = x.clamp(max=LARGEST).exp_().mul_(per_example(1 - alpha, x))
        mixed.addcmul_(past.clamp(max=LARGEST).exp_(), per_example(alpha, x))
        return mixed.add_(EPS).log_()

    def forward(self, x: Tensor, draw: Draw) -> Tensor:
        """`x` mixed; then `x` itself enters the memory."""
        mixed = super().forward(x, draw)
        self._remember(x)
        return mixed

    def _fits(self, x: Tensor) -> bool:
        return self.memory.shape[1:] == x.shape[1:]

    def _remember(self, x: Tensor) -> None:
        if not self._fits(x):
            self.memory = x.new_zeros(self.size, *x.shape[1:])
            self.seen.zero_()
        latest = x[-self.size :]
        slot = (self.seen + torch.arange(len(latest), device=x.device)) % self.size
        self.memory.index_copy_(0, slot, latest)
        self.seen += len(latest)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take the memory's size from what is loaded: it is known only once a batch has been seen."""
        stored = state_dict.get(f"{prefix}memory")
        if isinstance(stored, Tensor):
            self.memory = self.memory.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)

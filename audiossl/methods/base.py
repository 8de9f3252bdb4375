"""The contract of a method: everything between views and a loss."""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from audiossl.recipe.base import Config


class ViewPlan(enum.Enum):
    """What a method asks of the modality."""

    ONE = 1
    TWO = 2


@dataclass(frozen=True)
class At:
    """Where training stands. Schedules are functions of it."""

    step: int
    """Optimiser steps done before this one."""
    steps: int
    """Optimiser steps of the whole run."""
    epoch: float
    """Passes over the data done so far."""

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.step / max(1, self.steps)


class Method(nn.Module, abc.ABC):
    """Encoder, heads and state. All of it lives in buffers and parameters, so a checkpoint is complete."""

    views: ClassVar[ViewPlan] = ViewPlan.TWO
    config: Config
    encoder: nn.Module

    def __init__(self, config: Config, encoder: nn.Module, embedding_dim: int) -> None:
        super().__init__()
        self.config, self.encoder, self.embedding_dim = config, encoder, embedding_dim

    def build(self, n_items: int) -> None:
        """Make heads and state for a data set of `n_items` (queue, bank, teacher, prototypes)."""

    @abc.abstractmethod
    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The loss of one batch.

        Args:
            views: one spectrogram batch (N, 1, F, T) per view.
            index: (N,) position of every clip in the data set.
            at: where training stands.

        Returns:
            `{"loss": scalar, ...}`; further entries are logged.
        """

    def before_epoch(self, at: At) -> None:
        """Called before the first step of an epoch."""

    def after_step(self, at: At) -> None:
        """Called after each optimiser step, once however many batches it accumulated: the place of an EMA."""

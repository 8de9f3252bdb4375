"""The contract of a method: everything between views and a loss."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from torch import Tensor, nn

from audiossl.methods.heads import build_head
from audiossl.recipe.base import Config

C = TypeVar("C", bound=Config)


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


class Method(nn.Module, abc.ABC, Generic[C]):
    """Encoder, heads and state. All of it lives in buffers and parameters, so a checkpoint is complete.

    Args:
        config: the method's section of the recipe, nothing left "auto".
        encoder: from a spectrogram (N, 1, F, T) to an embedding (N, embedding_dim).
        embedding_dim: size of the embedding.
        n_items: clips in the data set; sizes queues, banks and prototypes.
    """

    views: ClassVar[ViewPlan] = ViewPlan.TWO

    def __init__(self, config: C, encoder: nn.Module, embedding_dim: int, n_items: int) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        self.gather: Callable[[Tensor], Tensor] = lambda z_ND: z_ND
        """Brings the rows of all ranks together, with gradient; the trainer replaces it when there are several."""
        self.build(embedding_dim, n_items)

    @abc.abstractmethod
    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make heads and state (queue, bank, teacher, prototypes)."""

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


H = TypeVar("H", bound=Config)


class Siamese(Method[H], abc.ABC):
    """A method that projects two views with one head, `config.head`, and compares them over the whole batch."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the projection head."""
        self.head = build_head(self.config.head, embedding_dim)  # type: ignore[attr-defined]

    def project(self, views: list[Tensor]) -> list[Tensor]:
        """Projections (N, D) of each view, of all ranks together.

        The views go through the network one after the other, so that BatchNorm sees one view at a time.
        """
        return [self.gather(self.head(self.encoder(view))) for view in views]

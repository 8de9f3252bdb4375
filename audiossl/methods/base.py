"""The contract of a method: everything between views and a loss."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from torch import Tensor, nn

from audiossl.methods.heads import build_head
from audiossl.recipe.methods.base import MethodBase

C = TypeVar("C", bound=MethodBase)

Embed = Callable[[Callable[[Tensor], Tensor]], tuple[Tensor, Tensor]]
"""`embed(f)` gives `(values, index)`: f of every readable clip's middle crop (M, ...) in float32, without gradient and
with the method in evaluation mode, and the clips' positions (M,) in the data set."""


@dataclass(frozen=True)
class ViewPlan:
    """What a method asks of the modality for a batch of N clips, in the order in which `loss` receives it."""

    views: int = 2
    """Spectrograms (N, 1, F, T) or pictures (N, 3, side, side) of each clip, each augmented on its own."""
    short: int = 0
    """Further, small ones, whose length or side is `short_share` of a whole one's: the small crops of SwAV."""
    short_share: float = 0.5
    waveforms: int = 0
    """Then raw waveforms (N, 1, 1, S) of each clip, augmented as waveforms only."""
    text: bool = False
    """Last, what the manifest says of each clip, as UTF-8 bytes (N, L), int64, 0 after its end."""

    @property
    def crops(self) -> int:
        """Crops taken from each clip."""
        return self.views + self.short + self.waveforms


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


class Rate(NamedTuple):
    """Parameters with a learning rate of their own."""

    parameters: list[nn.Parameter]
    factor: float = 1.0
    """Times the recipe's learning rate."""
    scheduled: bool = True
    """Whether warm-up and decay apply to it."""


class Method(nn.Module, abc.ABC, Generic[C]):
    """Encoder, heads and state. All of it lives in buffers and parameters, so a checkpoint is complete.

    A projection head that the monitors should look at is called `head`.

    Args:
        config: the method's section of the recipe, nothing left "auto".
        encoder: from a view (N, C, F, T) to an embedding (N, embedding_dim).
        embedding_dim: size of the embedding.
        n_items: rows of the data set; `index` is below it. Sizes banks.
        partner: the second encoder that `config.partner` asks for, with an `embedding_dim` of its own.
    """

    def __init__(
        self, config: C, encoder: nn.Module, embedding_dim: int, n_items: int, partner: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        if partner is not None:
            self.partner = partner
        self.gather: Callable[[Tensor], Tensor] = lambda z_ND: z_ND
        """Brings the rows of all ranks together, with gradient; the trainer replaces it when there are several."""
        self.build(embedding_dim, n_items)

    @classmethod
    def view_plan(cls, config: C) -> ViewPlan:
        """What `loss` wants to be given; two views unless a method says otherwise."""
        return ViewPlan()

    @property
    def plan(self) -> ViewPlan:
        """`view_plan` of this method's own config."""
        return self.view_plan(self.config)

    @abc.abstractmethod
    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make heads and state (queue, bank, teacher, prototypes)."""

    @abc.abstractmethod
    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The loss of one batch.

        Args:
            views: what `plan` asks for.
            index: (N,) position of every clip in the data set.
            at: where training stands.

        Returns:
            `{"loss": scalar, ...}`; further scalars are logged.
        """

    def before_epoch(self, at: At, embed: Embed) -> None:
        """Called before the first batch of an epoch: the place of k-means over the whole data."""

    def after_step(self, at: At) -> None:
        """Called after each optimiser step, once however many batches it accumulated: the place of an EMA.

        `at.step` is still the number of steps before this one.
        """

    def rates(self) -> list[Rate]:
        """Parameters whose learning rate is not the recipe's."""
        return []


class OneView(Method[C], abc.ABC):
    """A method that is given each clip once."""

    @classmethod
    def view_plan(cls, config: C) -> ViewPlan:
        """One view."""
        return ViewPlan(views=1)


H = TypeVar("H", bound=MethodBase)


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

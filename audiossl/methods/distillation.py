"""Distillation: no negatives; a prediction of what the network, or its moving average, makes of the other view."""

from __future__ import annotations

import abc
from typing import TypeVar

from torch import Tensor, nn

from audiossl.methods.base import At, Method, Rate, Siamese
from audiossl.methods.heads import build_head
from audiossl.methods.losses.distillation import byol, negative_cosine
from audiossl.methods.state import Teacher, ema_momentum
from audiossl.recipe.methods import ByolConfig, MocoConfig, MocoV3Config, SimSiamConfig
from audiossl.recipe.methods.base import head_dim

T = TypeVar("T", bound=ByolConfig | MocoConfig | MocoV3Config)
P = TypeVar("P", bound=ByolConfig | MocoV3Config)


class Taught(Siamese[T], abc.ABC):
    """A method whose teacher is the moving average of its encoder and head."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the projection head and the teacher, an exact copy of encoder and head."""
        super().build(embedding_dim, n_items)
        self.teacher = Teacher(self.student, average_norms=self.config.teacher_norm == "average")

    @property
    def student(self) -> nn.Module:
        """What the teacher is an average of."""
        return nn.Sequential(self.encoder, self.head)

    def keys(self, views: list[Tensor]) -> list[Tensor]:
        """The teacher's projections (N, D) of each view, of all ranks together, without gradient."""
        return [self.gather(self.teacher(view)) for view in views]

    @abc.abstractmethod
    def momentum(self, at: At) -> float:
        """The share of the teacher that stays at the next update."""

    def after_step(self, at: At) -> None:
        """Move the teacher towards the student."""
        self.teacher.update(self.student, self.momentum(at))


class PredictsTeacher(Taught[P], abc.ABC):
    """A method that predicts the teacher's projections; the teacher slows down along half a cosine."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make head, teacher and predictor."""
        super().build(embedding_dim, n_items)
        self.predictor = build_head(self.config.predictor, head_dim(self.config.head))

    def predictions(self, views: list[Tensor]) -> list[Tensor]:
        """Predictions (N, D) from each view, of all ranks together."""
        return [self.gather(self.predictor(self.head(self.encoder(view)))) for view in views]

    def momentum(self, at: At) -> float:
        """From `config.momentum` to `config.momentum_final`."""
        assert self.config.momentum != "auto", "auto values are resolved before training"
        return ema_momentum(self.config.momentum, self.config.momentum_final, at)


class Byol(PredictsTeacher[ByolConfig]):
    """BYOL (Grill et al. 2020)."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The distances of each view's prediction from the teacher's projection of the other, added."""
        (p1, p2), (z1, z2) = self.predictions(views), self.keys(views)
        return {"loss": byol(p1, z2) + byol(p2, z1)}


class SimSiam(Method[SimSiamConfig]):
    """SimSiam (Chen and He 2021)."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make head and predictor."""
        self.head = build_head(self.config.head, embedding_dim)
        self.predictor = build_head(self.config.predictor, head_dim(self.config.head))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The mean of both directions' negative cosine."""
        z1, z2 = (self.head(self.encoder(view)) for view in views)
        p1, p2 = (self.gather(self.predictor(z)) for z in (z1, z2))
        z1, z2 = (self.gather(z.detach()) for z in (z1, z2))
        return {"loss": (negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2}

    def rates(self) -> list[Rate]:
        """The predictor keeps the recipe's learning rate throughout."""
        return [Rate(list(self.predictor.parameters()), scheduled=False)]

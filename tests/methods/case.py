"""A method as the parametrised proofs see it: one small Config, and the world in which it is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audiossl.methods.base import Method
from audiossl.methods.build import build_method
from audiossl.recipe.methods.base import MethodBase
from tests.methods.toy import ITEMS, WORLDS, World


@dataclass(frozen=True)
class Case:
    """A row of the proofs.

    Attributes:
        config: sized for `world`: heads of about 64 units.
        world: where its views come from; `toy.WORLDS` has more.
        gain: the least gain in kNN accuracy over the untrained encoder.
        lr: of Adam, in the toy world.
        idle: names of parameters that rightly get no gradient, or only rounding, at the first step.
        name: tells two cases of one Config apart.
    """

    config: MethodBase
    world: str = "vectors"
    gain: float = 0.2
    lr: float = 2e-3
    idle: frozenset[str] = frozenset()
    name: str = ""

    @property
    def id(self) -> str:
        return f"{self.config.name}{'-' * bool(self.name)}{self.name}"

    @property
    def place(self) -> World:
        return WORLDS[self.world]

    def build(self, n_items: int = ITEMS, control: type[Method[Any]] | None = None) -> Method[Any]:
        """The method with weights that are always the same; `control` is a broken class in its place."""
        return self.place.build(self.config, n_items, control or build_method)

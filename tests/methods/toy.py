"""Worlds small enough to see a method learn or collapse in a second.

The world of vectors: 16 Gaussian clusters in 32 dimensions. Half of the dimensions carry the cluster; the other half
is loud noise that a view draws anew, so that an untrained encoder's neighbours are often wrong and invariance to the
views is worth learning. Other worlds have the same methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from audiossl.methods.base import At, Method, ViewPlan
from audiossl.training.monitors import Health, effective_rank, knn_accuracy, measure, scaled_std
from audiossl.training.optim import parameter_groups, set_lr

CLUSTERS = 16
ITEMS = 1024
BATCH = 128
STEPS = 200


@dataclass(frozen=True)
class Outcome:
    knn: float
    std: float
    rank: float

    def healthy(self, untrained: Outcome, gain: float = 0.2) -> bool:
        return self.knn >= untrained.knn + gain and self.rank >= 8 and self.std >= 0.5


class World:
    """The world of vectors, and what other worlds may replace."""

    dim = 32
    """Of the embedding."""

    def encoder(self) -> nn.Module:
        return nn.Sequential(nn.Linear(32, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, self.dim))

    def partner(self) -> nn.Module | None:
        """The second encoder, with an `embedding_dim`, for methods that want one."""
        return None

    def items(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What n clips are, without any view's noise (n, ...), and their clusters (n,)."""
        centres = torch.randn(CLUSTERS, 16, generator=torch.Generator().manual_seed(0))
        labels = torch.randint(CLUSTERS, (n,), generator=generator)
        return centres[labels] + 0.5 * torch.randn(n, 16, generator=generator), labels

    def view(self, items: Tensor, generator: torch.Generator) -> Tensor:
        """One view of each clip: what the encoder takes."""
        jitter = 0.3 * torch.randn(items.shape, generator=generator)
        nuisance = 2.0 * torch.randn(items.shape, generator=generator)
        return torch.cat([items + jitter, nuisance], dim=1)

    def views(self, plan: ViewPlan, items: Tensor, labels: Tensor, generator: torch.Generator) -> list[Tensor]:
        """What `plan` asks for; here a short view is no different from a whole one."""
        assert not plan.waveforms
        assert not plan.text
        return [self.view(items, generator) for _ in range(plan.views + plan.short)]

    def build(self, config: Any, n_items: int, make: Any) -> Method[Any]:
        """The method with weights that are always the same."""
        torch.manual_seed(0)
        return make(config, self.encoder(), self.dim, n_items, self.partner())


WORLDS: dict[str, World] = {"vectors": World()}


def outcome(world: World, model: nn.Module, generator: torch.Generator) -> Outcome:
    """How well 1,000 new clips cluster."""
    items, labels = world.items(1000, generator)
    model.eval()
    with torch.no_grad():
        z = model(world.view(items, generator))
    return Outcome(knn_accuracy(z, labels, torch.arange(1000), 10), scaled_std(z), effective_rank(z))


def health(world: World, method: Method[Any]) -> Health:
    """What the monitors of a run see of 1,000 clips: embeddings, and projections where there is a head."""
    generator = torch.Generator().manual_seed(5)
    items, labels = world.items(1000, generator)
    method.eval()
    with torch.no_grad():
        z = method.encoder(world.view(items, generator))
        projected = method.head(z) if hasattr(method, "head") else None
    method.train()
    return measure(0, z, projected, labels, torch.arange(1000), 10)


def train(world: World, method: Method[Any], lr: float = 2e-3, steps: int = STEPS, seed: int = 0) -> Outcome:
    """The outcome of `steps` steps of Adam over the same ITEMS clips, views always new."""
    generator = torch.Generator().manual_seed(seed)
    items, labels = world.items(ITEMS, generator)
    optimiser = torch.optim.Adam(parameter_groups(method, 0.0, False, method.rates()), lr=lr)
    method.train()

    def embed(f: Any) -> tuple[Tensor, Tensor]:
        method.eval()
        with torch.no_grad():
            values = f(world.view(items, torch.Generator().manual_seed(1)))
        method.train()
        return values, torch.arange(ITEMS)

    for step in range(steps):
        at = At(step, steps, step * BATCH / ITEMS)
        place = step * BATCH % ITEMS
        if place == 0:
            order = torch.randperm(ITEMS, generator=generator)
            method.before_epoch(at, embed)
        index = order[place : place + BATCH]
        set_lr(optimiser, lr, 1.0)
        losses = method.loss(world.views(method.plan, items[index], labels[index], generator), index, at)
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        method.after_step(at)
    return outcome(world, method.encoder, generator)

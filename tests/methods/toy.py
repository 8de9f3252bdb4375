"""A world small enough to see a method learn or collapse in a second: 16 Gaussian clusters in 32 dimensions.

Half of the dimensions carry the cluster; the other half is loud noise that a view draws anew, so that an untrained
encoder's neighbours are often wrong and invariance to the views is worth learning.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiossl.methods.base import At, Method
from audiossl.training.monitors import effective_rank, knn_accuracy, scaled_std

DIM = 32
CLUSTERS = 16
STEPS = 200
BATCH = 128


@dataclass(frozen=True)
class Outcome:
    knn: float
    std: float
    rank: float

    def healthy(self, untrained: Outcome) -> bool:
        return self.knn >= untrained.knn + 0.2 and self.rank >= 8 and self.std >= 0.5


def encoder() -> nn.Module:
    return nn.Sequential(nn.Linear(DIM, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, DIM))


def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    centres = torch.randn(CLUSTERS, DIM // 2, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(CLUSTERS, (n,), generator=generator)
    signal = centres[labels] + 0.5 * torch.randn(n, DIM // 2, generator=generator)
    return signal, labels


def view(signal: Tensor, generator: torch.Generator) -> Tensor:
    jitter = 0.3 * torch.randn(signal.shape, generator=generator)
    nuisance = 2.0 * torch.randn(signal.shape, generator=generator)
    return torch.cat([signal + jitter, nuisance], dim=1)


def outcome(model: nn.Module, generator: torch.Generator) -> Outcome:
    signal, labels = draw(1000, generator)
    model.eval()
    with torch.no_grad():
        z = model(view(signal, generator))
    return Outcome(knn_accuracy(z, labels, torch.arange(1000), 10), scaled_std(z), effective_rank(z))


def train(method: Method, seed: int = 0) -> Outcome:
    """The outcome of 200 steps of `method`, whose encoder is `encoder()`."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=2e-3)
    method.train()
    for step in range(STEPS):
        signal, _ = draw(BATCH, generator)
        views = [view(signal, generator) for _ in range(method.views.value)]
        at = At(step, STEPS, step / 8)
        losses = method.loss(views, torch.arange(BATCH), at)
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        method.after_step(at)
    return outcome(method.encoder, generator)

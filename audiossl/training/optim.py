"""Optimisers, the learning rate as a pure function of the step, and which parameters decay."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from audiossl.methods.base import Rate
from audiossl.recipe.schema import Recipe
from audiossl.recipe.training import AdamWConfig, CosineConfig, LarsConfig, MultistepConfig, SgdConfig


class Lars(Optimizer):
    """LARS (You, Gitman and Ginsburg 2017): momentum SGD with a trust ratio per weight tensor.

    g <- g + weight_decay * p, then g <- g * trust * |p| / (|g_before| + weight_decay * |p|) where both norms are
    above zero, then the usual momentum update. Tensors of fewer than two dimensions take neither decay nor ratio.
    """

    def __init__(self, params: Any, lr: float, momentum: float, weight_decay: float, trust: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)
        return loss

    def _update(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        gradient = p.grad
        if p.dim() > 1:
            weight_norm, gradient_norm = p.norm(), gradient.norm()
            gradient = gradient.add(p, alpha=group["weight_decay"])
            ratio = group["trust"] * weight_norm / (gradient_norm + group["weight_decay"] * weight_norm)
            gradient = gradient * torch.where((weight_norm > 0) & (gradient_norm > 0), ratio, 1.0)
        buffer = self.state[p].get("momentum")
        if buffer is None:
            buffer = self.state[p]["momentum"] = torch.zeros_like(p)
        buffer.mul_(group["momentum"]).add_(gradient)
        p.add_(buffer, alpha=-group["lr"])


def parameter_groups(
    module: nn.Module, weight_decay: float, decay_all: bool, rates: Sequence[Rate] = ()
) -> list[dict[str, Any]]:
    """Weights decay; biases and norm parameters (one dimension) do not, unless `decay_all`; a single number never does.

    Every group also says by what its learning rate is multiplied (`factor`) and whether the schedule moves it
    (`scheduled`): 1 and yes, but for the parameters of `rates`.
    """
    own = {id(p) for rate in rates for p in rate.parameters}
    rest = Rate([p for p in module.parameters() if p.requires_grad and id(p) not in own])
    groups = []
    for rate in (rest, *rates):
        for decays in (True, False):
            parameters = [p for p in rate.parameters if (p.dim() > 1 or (decay_all and p.dim() == 1)) == decays]
            decay = weight_decay if decays else 0.0
            told = {"weight_decay": decay, "factor": rate.factor, "scheduled": rate.scheduled}
            groups.append({"params": parameters, **told})
    return [group for group in groups if group["params"]]


def build_optimiser(recipe: Recipe, module: nn.Module, rates: Sequence[Rate] = ()) -> Optimizer:
    """The recipe's optimiser over the trainable parameters of `module`; its learning rate is no longer "auto"."""
    config = recipe.optimiser
    assert config.lr != "auto", "auto values are resolved before training"
    groups = parameter_groups(module, config.weight_decay, config.decay_all, rates)
    if isinstance(config, SgdConfig):
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov)
    if isinstance(config, AdamWConfig):
        return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas)
    assert isinstance(config, LarsConfig)
    return Lars(groups, config.lr, config.momentum, config.weight_decay, config.trust)


def lr_factor(recipe: Recipe, step: int, steps: int, steps_per_epoch: float) -> float:
    """What the base learning rate is multiplied by at optimiser step `step` of `steps`."""
    schedule = recipe.schedule
    assert schedule.warmup != "auto", "auto values are resolved before training"
    warmup = round(schedule.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    if isinstance(schedule, CosineConfig):
        progress = (step - warmup) / max(1, steps - warmup)
        return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * progress))
    if isinstance(schedule, MultistepConfig):
        epoch = step / steps_per_epoch
        return float(schedule.gamma ** sum(epoch >= milestone for milestone in schedule.milestones))
    return 1.0


def set_lr(optimiser: Optimizer, lr: float, factor: float) -> None:
    """Set the learning rate of every group: `lr` times the group's own factor, times `factor` if it is scheduled."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["factor"] * (factor if group["scheduled"] else 1.0)

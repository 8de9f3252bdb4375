"""From a method's Config to the method."""

from __future__ import annotations

from typing import Any

from torch import nn

from audiossl.methods.base import Method, ViewPlan
from audiossl.methods.combined import Combined
from audiossl.methods.singles import SINGLE
from audiossl.recipe.methods import CombinedConfig, MethodConfig

METHODS: dict[type[Any], type[Method[Any]]] = {**SINGLE, CombinedConfig: Combined}


def build_method(
    config: MethodConfig, encoder: nn.Module, embedding_dim: int, n_items: int, partner: nn.Module | None = None
) -> Method[Any]:
    """The method `config` names, around `encoder`, with fresh heads drawn from torch's global generator."""
    return METHODS[type(config)](config, encoder, embedding_dim, n_items, partner)


def view_plan(config: MethodConfig) -> ViewPlan:
    """What the method `config` names asks of the modality."""
    return METHODS[type(config)].view_plan(config)

"""What "auto" means: every choice audiossl makes for a recipe, with its reason, and the length of a run.

`embedding.window_s` and `embedding.hop_s` stay "auto": they are chosen for each file when it is embedded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from audiossl.recipe.auto_methods import Size, Value, resolve_method
from audiossl.recipe.base import Config
from audiossl.recipe.demands import check_batch
from audiossl.recipe.schema import Recipe

CACHE_BYTES = 8_000_000_000
"""The most disk that `data.cache: auto` takes for decoded sound."""

_LR: dict[str, tuple[str, Callable[[float], float]]] = {
    "sgd": ("0.03 * batch / 128", lambda batch: 0.03 * batch / 128),
    "adamw": ("1e-3 * sqrt(batch / 128)", lambda batch: 1e-3 * (batch / 128) ** 0.5),
    "lars": ("0.3 * batch / 256", lambda batch: 0.3 * batch / 256),
}


@dataclass(frozen=True)
class Facts:
    """What the choices rest on."""

    items: int
    """Clips of the training data."""
    decoded_bytes: int
    """Bytes of all of them as 16-bit PCM at the recipe's sample rate."""
    cores: int
    """CPU cores this process may use."""
    device: str
    """What the run trains on: `cpu`, `cuda` or `mps`."""
    bf16: bool
    """Whether that device multiplies bf16 in hardware."""


class Resolved(NamedTuple):
    """One choice: `data.workers`, 0, "the sound is cached decoded"."""

    field: str
    value: str | Value
    why: str


def resolve(recipe: Recipe, facts: Facts) -> tuple[Recipe, list[Resolved]]:
    """Replace every "auto" of a recipe, except the two of `embedding`.

    Returns:
        The recipe, and one entry for each value that was "auto"; none when resolved before.

    Raises:
        RecipeError: the data are too few for a batch.
    """
    choices: list[Resolved] = []

    def choose(section: str, key: str, value: str | Value, why: str) -> None:
        nonlocal recipe
        part: Config = getattr(recipe, section)
        if getattr(part, key) == "auto":
            recipe = recipe.model_copy(update={section: part.model_copy(update={key: value})})
            choices.append(Resolved(f"{section}.{key}", value, why))

    gigabytes = f"decoded they take {facts.decoded_bytes / 1e9:.2g} GB of at most {CACHE_BYTES / 1e9:g} GB"
    choose("data", "cache", "on" if facts.decoded_bytes <= CACHE_BYTES else "off", gigabytes)
    cached = recipe.data.cache == "on"
    choose(
        "data",
        "workers",
        0 if cached else facts.cores,
        "the cache needs no decoding" if cached else f"one for each of {facts.cores} cores",
    )
    batch = recipe.training.batch_size * recipe.training.accumulate
    formula, rate = _LR[recipe.optimiser.name]
    choose("optimiser", "lr", rate(batch), f"{formula}, batch {batch}")
    choose("training", "accelerator", facts.device, "the fastest device found")
    hardware = "multiplies" if facts.bf16 else "does not multiply"
    choose("training", "precision", "bf16" if facts.bf16 else "32", f"this {facts.device} {hardware} bf16 in hardware")
    choose("training", "threads", facts.cores, "all cores")
    size = Size(facts.items, batch, total_steps(recipe, facts.items))
    choose("schedule", "warmup", warmup(size.steps), f"5 % of {size.steps} steps, at least 10 steps, at most 20 %")
    method = resolve_method(recipe.method, size, lambda *choice: choices.append(Resolved(*choice)))
    return recipe.model_copy(update={"method": method}), choices


def warmup(steps: int) -> float:
    """The share of `steps` in which the learning rate rises to its full value."""
    return round(min(0.2, max(0.05, 10 / steps)), 4)


def steps_per_epoch(recipe: Recipe, n_items: int) -> int:
    """Whole batches in one pass over `n_items` clips; the rest waits for the next pass.

    Raises:
        RecipeError: there are fewer clips than one batch holds.
    """
    check_batch(recipe.training.batch_size, n_items)
    return n_items // recipe.training.batch_size


def total_steps(recipe: Recipe, n_items: int) -> int:
    """Optimiser steps of the whole run, each of `training.accumulate` batches; raises as `steps_per_epoch`."""
    per_epoch = steps_per_epoch(recipe, n_items) / recipe.training.accumulate
    if recipe.training.steps is not None:
        return recipe.training.steps
    assert recipe.training.epochs is not None  # the Config wants at least one of the two
    return max(1, round(recipe.training.epochs * per_epoch))

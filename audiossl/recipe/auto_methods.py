"""What "auto" means inside a method: the size of its memory, from the clips, the batch and the steps of a run.

Sensible from 500 clips on a laptop to a million on a server. A field's rule may look at the fields resolved before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from audiossl.recipe.methods.base import MethodBase

M = TypeVar("M", bound=MethodBase)
Value = int | float


@dataclass(frozen=True)
class Size:
    """How big a run is."""

    items: int
    """Clips of the training data."""
    batch: int
    """Clips of an optimiser step."""
    steps: int
    """Optimiser steps of the whole run."""

    @property
    def epoch(self) -> int:
        """Optimiser steps of one pass over the data."""
        return max(1, self.items // self.batch)

    def rows(self, n: int) -> int:
        """The most whole batches in `n` rows, at least one, as rows."""
        return max(1, n // self.batch) * self.batch


Rule = Callable[[MethodBase, Size], tuple[Value, str]]


def _queue_of_negatives(method: MethodBase, size: Size) -> tuple[int, str]:
    batches = max(4, size.steps // 20)
    rows = size.rows(min(65_536, size.items // 2, batches * size.batch))
    return rows, f"whole batches of {size.batch}, at most {batches} of them, half of {size.items} clips and 65536"


def _queue_beside_prototypes(method: MethodBase, size: Size) -> tuple[int, str]:
    prototypes = int(method.prototypes)  # type: ignore[attr-defined]
    if size.batch >= prototypes:
        return 0, f"a batch of {size.batch} holds a clip for each of {prototypes} prototypes"
    rows = size.rows(min(round(1.5 * prototypes), size.items // 2))
    return rows, f"about 1.5 clips for each of {prototypes} prototypes, at most half of {size.items} clips"


def _clusters(method: MethodBase, size: Size) -> tuple[int, str]:
    value = min(3000, max(16, size.items // 20), max(2, (size.items - 1) // 2))
    return value, f"one for 20 of {size.items} clips, between 16 and 3000"


def _momentum(method: MethodBase, size: Size) -> tuple[float, str]:
    # 1 / (1 - m) is how many steps an average remembers.
    value = round(min(0.996, max(0.9, 1 - 20 / size.steps)), 4)
    return value, f"remembers about 5 % of {size.steps} steps, between 0.9 and 0.996"


def _momentum_beside_queue(method: MethodBase, size: Size) -> tuple[float, str]:
    # A teacher that changes within the age of its queue lets a query tell its key from the queue by the age alone, and
    # the embedding collapses. In 155 steps on ESC-50 its rank fell from 45 to 30 with 4 times the age, the ratio of the
    # paper's far smaller steps, and rose to 80 with 16 times.
    steps = max(10.0, size.steps / 20, 16 * int(method.queue) / size.batch)  # type: ignore[attr-defined]
    value = round(min(0.999, 1 - 1 / steps), 4)
    return value, f"remembers 5 % of {size.steps} steps, or 16 times those of the queue, between 0.9 and 0.999"


def _freeze_steps(method: MethodBase, size: Size) -> tuple[int, str]:
    return min(size.epoch, size.steps // 10), f"one epoch of {size.epoch} steps, at most a tenth of {size.steps}"


def _negatives(method: MethodBase, size: Size) -> tuple[int, str]:
    return min(4096, size.items), f"as many as there are clips ({size.items}), at most 4096"


RULES: dict[str, Rule] = {
    "prototypes": _clusters,
    "clusters": _clusters,
    "queue": _queue_of_negatives,
    "momentum": _momentum,
    "freeze_steps": _freeze_steps,
    "negatives": _negatives,
}
"""By field, in the order in which they are resolved."""

OWN: dict[tuple[str, str], Rule] = {
    ("moco", "momentum"): _momentum_beside_queue,
    ("swav", "queue"): _queue_beside_prototypes,
}
"""Where a method's field means something else than the same field elsewhere."""


def resolve_method(method: M, size: Size, told: Callable[[str, Value, str], None], prefix: str = "method") -> M:
    """Replace every "auto" of a method, and of the methods it is made of.

    Args:
        method: a section of a recipe.
        size: of the run.
        told: given each choice: the field's dotted path, its value, and the reason.
        prefix: the section's own dotted path.
    """
    changes: dict[str, Any] = {}
    for field in (name for name in RULES if getattr(method, name, None) == "auto"):
        resolved = method.model_copy(update=changes)
        value, why = OWN.get((resolved.name, field), RULES[field])(resolved, size)  # type: ignore[attr-defined]
        told(f"{prefix}.{field}", value, why)
        changes[field] = value
    parts = getattr(method, "parts", None)
    if parts is not None:
        changes["parts"] = [
            part.model_copy(update={"method": resolve_method(part.method, size, told, f"{prefix}.parts.{i}.method")})
            for i, part in enumerate(parts)
        ]
    return method.model_copy(update=changes) if changes else method

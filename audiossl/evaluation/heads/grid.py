"""The points of a random grid: protocols whose every list has become one value."""

from __future__ import annotations

from itertools import product
from typing import Any

from audiossl import rng
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.gradient import GRID_FIELDS, RandomGridConfig


def points(protocol: Protocol, seed: int) -> list[tuple[Protocol, dict[str, float]]]:
    """Protocols whose every list is one value, with what was chosen in numbers; one of them without a grid."""
    selection = protocol.selection
    if not isinstance(selection, RandomGridConfig):
        return [(protocol, {})]
    where = [(part, field) for field in GRID_FIELDS for part in ("head", "fit") if _is_list(protocol, part, field)]
    grid = list(product(*(getattr(getattr(protocol, part), field) for part, field in where)))
    drawn = rng.numpy_stream(seed, "grid").permutation(len(grid))[: selection.points]
    found = []
    for values in (grid[k] for k in drawn):
        told: dict[str, dict[str, Any]] = {"head": {}, "fit": {}}
        for (part, field), value in zip(where, values, strict=True):
            told[part][field] = value
        parts = {part: getattr(protocol, part).model_copy(update=update) for part, update in told.items()}
        found.append((protocol.model_copy(update=parts), _in_numbers(told)))
    return found


def _is_list(protocol: Protocol, part: str, field: str) -> bool:
    return isinstance(getattr(getattr(protocol, part), field, None), list)


def _in_numbers(told: dict[str, dict[str, Any]]) -> dict[str, float]:
    pairs = [pair for update in told.values() for pair in update.items()]
    return {f"{name} {value}" if isinstance(value, str) else name: 1.0 if isinstance(value, str) else float(value)
            for name, value in pairs}  # fmt: skip

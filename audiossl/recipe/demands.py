"""What a recipe asks of the data, checked before anything is decoded or trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audiossl.errors import RecipeError
from audiossl.recipe.base import Config
from audiossl.recipe.methods.base import MethodBase
from audiossl.recipe.schema import Recipe

REMEMBERED = ("queue", "prototypes", "clusters")
"""Fields of a method that count clips: more of them than the data has is a mistake."""


@dataclass(frozen=True)
class DataFacts:
    """What the demands are held against."""

    items: int
    """Clips of the training data."""
    longest_s: float
    """Seconds of the longest clip, as far as it is known; infinity where nothing is."""
    alike: bool
    """Whether nothing but views and crops tells apart what the method compares: it takes several views of one kind."""


def check_demands(recipe: Recipe, facts: DataFacts) -> None:
    """Raise one `RecipeError` with everything that the recipe asks of the data and does not get."""
    faults = [*_batch(recipe, facts.items), *_views(recipe, facts), *_sizes(recipe.method, facts.items, "method")]
    if faults:
        raise RecipeError(faults)


def check_batch(batch_size: int, items: int) -> None:
    """Raise `RecipeError` when `items` clips do not fill one batch."""
    if items < 2:
        raise RecipeError(f"the data has {items} clip{'s' * (items != 1)}; training needs at least 2")
    if items < batch_size:
        fits = 1 << (items.bit_length() - 1)
        raise RecipeError(
            f"training.batch_size {batch_size} is larger than the data ({items} clips); write {fits} or less"
        )


def _batch(recipe: Recipe, items: int) -> Iterator[str]:
    try:
        check_batch(recipe.training.batch_size, items)
    except RecipeError as error:
        yield str(error)


def _views(recipe: Recipe, facts: DataFacts) -> Iterator[str]:
    if not facts.alike or any(_chance(view) > 0 for view in recipe.views.chain):
        return
    if (fault := recipe.data.alike(recipe.frontend, facts.longest_s)) is not None:
        yield fault


def _chance(view: Config) -> float:
    """The largest probability of a view; what has none is a normalisation, the same for every view."""
    p: float | tuple[float, ...] = getattr(view, "p", 0.0)
    return max(p) if isinstance(p, tuple) else p


def _sizes(method: MethodBase, items: int, path: str) -> Iterator[str]:
    for field in REMEMBERED:
        told = getattr(method, field, "auto")
        if isinstance(told, int) and told > items:
            yield (
                f"{path}.{field} {told} is larger than the data ({items} clips); "
                f"write {max(2, items // 2)} or less, or auto"
            )
    for number, part in enumerate(getattr(method, "parts", ())):
        yield from _sizes(part.method, items, f"{path}.parts.{number}.method")

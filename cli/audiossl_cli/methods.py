"""`audiossl methods`: what can be learnt with, and the fields of each."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit, emit_entry, emit_json, emit_table

if TYPE_CHECKING:
    from audiossl.recipe.catalogue import MethodFacts


def methods(
    name: Annotated[str | None, typer.Argument(help="Show this method's fields, with their defaults.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the methods of self-supervised learning by family: what each does, what it needs, which recipes use it.

    Example: audiossl methods simclr
    """
    from audiossl.recipe.catalogue import describe, fields, list_methods

    if name is not None:
        one, told = describe(name), fields(name)
        if as_json:
            emit_json({**one._asdict(), "fields": [field._asdict() for field in told]})
            return
        emit_entry(one.name, one.text, facts_of(one))
        emit_table(["field", "default", "what it is"], [[field.name, field.shown, field.text] for field in told])
        return
    listed = list_methods()
    if as_json:
        emit_json([one._asdict() for one in listed])
        return
    for family, members in groupby(listed, key=lambda one: one.family):
        emit(f"\n{family}")
        for one in members:
            emit_entry(one.name, one.sentence, facts_of(one))


def facts_of(one: MethodFacts) -> list[str]:
    """Whose a method is, what it needs, what it takes, and the recipes that use it, a line each."""
    recipes = f"recipes: {', '.join(one.recipes)}" if one.recipes else "no shipped recipe"
    return [f"{one.paper}; needs {one.needs}", f"modality: {' or '.join(one.takes)}", recipes]

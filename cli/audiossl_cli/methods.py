"""`audiossl methods`: what can be learnt with, and the fields of each."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from audiossl_cli.console import emit, emit_entry, emit_json, emit_table


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
        emit_entry(one.name, one.text, [f"{one.paper}; needs {one.needs}", recipes_of(one.recipes)])
        emit_table(["field", "default", "what it is"], [[field.name, field.shown, field.text] for field in told])
        return
    listed = list_methods()
    if as_json:
        emit_json([one._asdict() for one in listed])
        return
    for family, members in groupby(listed, key=lambda one: one.family):
        emit(f"\n{family}")
        for one in members:
            emit_entry(one.name, one.sentence, [f"{one.paper}; needs {one.needs}", recipes_of(one.recipes)])


def recipes_of(names: list[str]) -> str:
    """The recipes that use a method, on one line."""
    return f"recipes: {', '.join(names)}" if names else "no shipped recipe"

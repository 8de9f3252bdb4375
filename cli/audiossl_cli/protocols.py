"""`audiossl protocols`: the ways to score an embedding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import emit, emit_entry, emit_json

if TYPE_CHECKING:
    from audiossl.evaluation.protocol import Protocol


def protocols(
    name: Annotated[str | None, typer.Argument(help="Show this protocol, every number of it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """List the evaluation protocols: what each does, which labels it scores, and in which groups it is.

    A protocol is frozen: another number is another version. † marks one that chooses something on the test items, as
    its original does.

    Example: audiossl protocols lr_nested@1
    """
    from audiossl.evaluation.choice import GROUPS, TARGETS, groups_of
    from audiossl.evaluation.protocol import list_protocols, load_protocol
    from audiossl.evaluation.report.table import DAGGER
    from audiossl.recipe.yaml import dump_yaml

    if name is not None:
        one = load_protocol(name)
        emit_json(entry(one)) if as_json else emit(dump_yaml(one.model_dump(mode="json")).rstrip())
        return
    listed = [load_protocol(known) for known in list_protocols()]
    if as_json:
        emit_json([entry(one) for one in listed])
        return
    for one in listed:
        scores = "; ".join(f"{TARGETS[target]}: {', '.join(names)}" for target, names in one.metrics.items())
        groups = ", ".join(groups_of(one)) or "in no group: ask for it by name"
        marked = f" {DAGGER}" if one.test_selected else ""
        emit_entry(f"{one.id}{marked}", f"{one.title}: {summary(one)}", [scores, groups])
    emit("")
    for group, text in GROUPS.items():
        emit_entry(group, text)


def summary(protocol: Protocol) -> str:
    """The first sentence of the description."""
    return re.split(r"(?<=\.)(?<!al\.) ", " ".join(protocol.description.split()))[0]


def entry(protocol: Protocol) -> dict[str, object]:
    """A protocol as plain data, with its name, its hash and its groups."""
    from audiossl.evaluation.choice import groups_of

    said = protocol.model_dump(mode="json")
    return {"id": protocol.id, "hash": protocol.hash, "groups": groups_of(protocol), **said}

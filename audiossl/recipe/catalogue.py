"""What the methods say of themselves: their Configs as a list, for the command line and for people."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, NamedTuple, get_args

from pydantic_core import to_jsonable_python

from audiossl.errors import UsageError
from audiossl.recipe.load import list_recipes, load_recipe
from audiossl.recipe.methods import MethodBase, MethodConfig
from audiossl.recipe.problems import did_you_mean


class MethodFacts(NamedTuple):
    """One method."""

    name: str
    """What a recipe writes under `method.name`."""
    family: str
    sentence: str
    """What it does: the first sentence of its Config's docstring."""
    text: str
    """The whole docstring on one line."""
    paper: str
    takes: list[str]
    """The modalities that it can learn from."""
    needs: str
    """What it asks of the data or of the encoder."""
    recipes: list[str]
    """The shipped recipes that use it."""


class FieldFacts(NamedTuple):
    """One field of a method."""

    name: str
    default: Any
    """As JSON holds it; None where the recipe must give a value."""
    required: bool
    text: str

    @property
    def shown(self) -> str:
        """The default as a recipe would write it."""
        return "required" if self.required else json.dumps(self.default, ensure_ascii=False)


def method_configs() -> list[type[MethodBase]]:
    """The Config of every method, in the order in which families and methods are declared."""
    union = get_args(MethodConfig)[0]
    return list(get_args(union)) or [union]


def list_methods() -> list[MethodFacts]:
    """Every method, family by family."""
    users = _users()
    facts = [_facts(config, users) for config in method_configs()]
    families = list(dict.fromkeys(one.family for one in facts))
    return sorted(facts, key=lambda one: families.index(one.family))


def describe(name: str) -> MethodFacts:
    """One method (raises `UsageError` when there is none of this name)."""
    return _facts(_config(name), _users())


def fields(name: str) -> list[FieldFacts]:
    """The fields of a method but its name (raises `UsageError`)."""
    return [
        FieldFacts(
            key,
            None if field.is_required() else to_jsonable_python(field.get_default(call_default_factory=True)),
            field.is_required(),
            " ".join((field.description or "").split()),
        )
        for key, field in _config(name).model_fields.items()
        if key != "name"
    ]


def _config(name: str) -> type[MethodBase]:
    known = {_name(config): config for config in method_configs()}
    if name not in known:
        raise UsageError(f"there is no method {name}; `audiossl methods` lists them{did_you_mean(name, known)}")
    return known[name]


def _facts(config: type[MethodBase], users: dict[str, list[str]]) -> MethodFacts:
    text = " ".join(inspect.cleandoc(config.__doc__ or "").split())
    name = _name(config)
    return MethodFacts(
        name=name,
        family=config.family,
        sentence=_first_sentence(text),
        text=text,
        paper=config.paper,
        takes=list(config.takes),
        needs=config.needs,
        recipes=users.get(name, []),
    )


def _first_sentence(text: str) -> str:
    """Up to the first full stop before a capital letter: the one of "et al. 2020" is none."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", text, maxsplit=1)[0]


def _name(config: type[MethodBase]) -> str:
    return str(config.model_fields["name"].default)


def _users() -> dict[str, list[str]]:
    """Method name to the shipped recipes that use it."""
    users: dict[str, list[str]] = {}
    for shipped in list_recipes():
        users.setdefault(load_recipe(shipped.path).method.name, []).append(shipped.name)
    return users

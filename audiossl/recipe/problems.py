"""A recipe's faults in plain words: pydantic's errors as `section.key: must be ..., not ...`, with "did you mean"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import groupby
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

PLAIN = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text (in quotes)",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a section of its own keys",
    "model_type": "a section of its own keys",
    "model_attributes_type": "a section of its own keys",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "of the form {pattern}",
}
"""What a value must be, for each of pydantic's error types."""

FEW = 12
"""So many names are all told; of more, only the near one when there is one."""


class Problem(NamedTuple):
    """One fault: the dotted path of the value, and what is wrong with it."""

    path: str
    what: str


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean X?` when one of `known` is near `word`, otherwise nothing."""
    near = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def problems(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Pydantic's errors about `model`, one problem for each value, in its order."""
    located = [(*_locate(model, detail["loc"]), detail) for detail in error.errors(include_url=False)]
    return [
        _problem(path, list(group)) for path, group in groupby(located, key=lambda item: ".".join(map(str, item[0])))
    ]


class _Place(NamedTuple):
    path: tuple[int | str, ...]
    owner: type[BaseModel]
    kinds: list[type[BaseModel]]


def _locate(model: type[BaseModel], loc: tuple[int | str, ...]) -> _Place:
    """The user's own key path: `loc` without the names of union members, its owner, and what may stand there."""
    path: list[int | str] = []
    owner, kinds = model, [model]
    for part in loc:
        if isinstance(part, int):
            path.append(part)
        elif len(kinds) == 1:
            owner, name = kinds[0], part
            path.append(name)
            kinds = list(_configs(owner.model_fields.get(name)))
        else:
            kinds = [kind for kind in kinds if _name(kind) == part]
    return _Place(tuple(path), owner, kinds)


def _configs(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every Config inside a field's annotation, through unions, lists and Annotated."""
    if isinstance(annotation, FieldInfo):
        annotation = annotation.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _configs(inner)


def _tag(kind: type[BaseModel]) -> str:
    """The key by which the members of a union are told apart: `name`, or the first that has fixed values."""
    fixed = (key for key, field in kind.model_fields.items() if get_origin(field.annotation) is Literal)
    return "name" if "name" in kind.model_fields else next(fixed)


def _name(kind: type[BaseModel]) -> str:
    field = kind.model_fields[_tag(kind)]
    return str(get_args(field.annotation)[0] if field.is_required() else field.default)


def _problem(path: str, group: list[tuple[Any, Any, Any, ErrorDetails]]) -> Problem:
    _, owner, kinds, error = group[0]
    key, given = path.rpartition(".")[2], error["input"]
    match error["type"]:
        case "extra_forbidden":
            return Problem(path, "unknown key" + (did_you_mean(key, owner.model_fields) or _known(owner.model_fields)))
        case "union_tag_invalid":
            names = [_name(kind) for kind in kinds]
            tag, by = error["ctx"]["tag"], _tag(kinds[0])
            near, known = did_you_mean(tag, names), f" (known: {', '.join(names)})"
            return Problem(f"{path}.{by}", f"unknown {by} {tag}{near}{known if not near or len(names) <= FEW else ''}")
        case "union_tag_not_found":
            by = _tag(kinds[0])
            return Problem(path, f"has no {by}; write {by}: and one of {', '.join(map(_name, kinds))}")
        case "missing":
            return Problem(path, "is missing; write it")
        case "value_error":
            return Problem(path, str(error["ctx"]["error"]))
    wanted = dict.fromkeys(_wanted(detail) for *_, detail in group)
    what = f"must be {' or '.join(wanted)}, not {_short(given)}"
    expected = [detail["ctx"]["expected"] for *_, detail in group if detail["type"] == "literal_error"]
    choices = [choice.strip("'") for text in expected for choice in text.replace(" or ", ", ").split(", ")]
    if error["type"] == "string_pattern_mismatch" and key in owner.model_fields:
        return Problem(path, f"must be like {_short(owner.model_fields[key].default)}, not {_short(given)}")
    return Problem(path, what + did_you_mean(given, choices))


def _wanted(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", '"')
    pattern = PLAIN.get(error["type"])
    return pattern.format(**error.get("ctx", {})) if pattern else f"valid ({error['msg']})"


def _known(keys: Iterable[str]) -> str:
    return f"; known here: {', '.join(keys)}"


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."

"""From a protocol's name to the protocol: the shipped YAML files, and one's own."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from pydantic import ValidationError

from audiossl import files
from audiossl.errors import RecipeError, UsageError
from audiossl.evaluation.protocol.schema import Protocol
from audiossl.recipe.problems import problems
from audiossl.recipe.yaml import Document, read_yaml


def list_protocols() -> dict[str, Path]:
    """The shipped protocols: id to file."""
    found = {}
    for path in sorted((files.shipped("recipes") / "probe").glob("*.yaml")):
        if match := re.fullmatch(r"(\w+)\.(\d+)\.yaml", path.name):
            found[f"{match[1]}@{match[2]}"] = path
    return found


def load_protocol(name: str) -> Protocol:
    """The shipped protocol `name`, such as `lr_nested@1`, or one of your own from the path of a YAML file.

    Raises:
        UsageError: there is no such protocol; the message names the nearest.
        RecipeError: the file does not say a protocol.
    """
    if name.endswith((".yaml", ".yml")):
        return read_protocol(Path(name))
    shipped = list_protocols()
    if name not in shipped:
        # Compared without versions too, so that `lr_nested` finds `lr_nested@1`.
        near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5) or [
            known for known in shipped if known.split("@")[0] == name.split("@")[0]
        ]
        hint = f"did you mean {near[-1]}?" if near else "choose another"
        raise UsageError(f"there is no protocol {name}; {hint} (there are {', '.join(shipped)})")
    return read_protocol(shipped[name])


def read_protocol(path: Path) -> Protocol:
    """The protocol that a YAML file says (raises `RecipeError` with every fault and its line)."""
    document = read_yaml(path)
    try:
        return Protocol.model_validate(document.value)
    except ValidationError as error:
        raise RecipeError(
            [f"{_where(document, path)}: {path}: {what}" for path, what in problems(Protocol, error)]
        ) from error


def _where(document: Document, path: str) -> str:
    return document.where(*(int(part) if part.isdigit() else part for part in path.split(".")))

"""Read a recipe: a file or a shipped name, its `extends`, the `--set` flags, every fault at once with its place.

The defaults of the Configs are every recipe's first parent; a recipe states only what differs. Merging: sections merge
key by key, lists are replaced, a mapping of indices over a list (`0: {p: 0.5}`) changes those items, and a section of
another `name:` starts from that name's own defaults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from audiossl import files
from audiossl.errors import RecipeError, UsageError
from audiossl.recipe.fit import misfits
from audiossl.recipe.problems import did_you_mean, problems
from audiossl.recipe.schema import RECIPES, AnyRecipe, Recipe
from audiossl.recipe.yaml import dump_yaml, parse_yaml, read_yaml

SUFFIX = ".yaml"


class ShippedRecipe(NamedTuple):
    """A recipe that comes with audiossl: its name for the command line, its own description, its file."""

    name: str
    description: str
    path: Path


class _Place(NamedTuple):
    """Where a value stands: a file and its line, or a `--set` flag (line 0)."""

    source: str
    line: int
    path: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass
class _Layer:
    """What one source says and where it says it; `places` is keyed by dotted path."""

    value: dict[str, Any] = field(default_factory=dict)
    places: dict[str, _Place] = field(default_factory=dict)
    faults: list[tuple[_Place, str]] = field(default_factory=list)

    def under(self, child: _Layer) -> _Layer:
        """This layer with `child` over it."""
        merged = _Layer(places={**self.places, **child.places}, faults=self.faults + child.faults)
        merged.value = _merge(self.value, child.value, "", merged)
        return merged

    def fault(self, path: str, what: str) -> None:
        """Note a fault at the value of `path`, or at the nearest section above it that somebody wrote."""
        above = path
        while above and above not in self.places:
            above = above.rpartition(".")[0]
        place = self.places.get(above, _Place("the defaults", 0, ""))
        named_already = not path or (place.path == path and not place.line)
        self.faults.append((place, what if named_already else f"{path}: {what}"))


def load_recipe(source: str | Path | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        source: the path of a YAML file, the name of a shipped recipe such as `audio/esc50_simclr`, or a recipe.
        overrides: `section.key=value` each, the value in YAML, as given to `--set`; they act like a last child recipe.

    Raises:
        RecipeError: every fault of the recipe, each `file:line: section.key: what; what to write instead`.
        UsageError: there is no such recipe.
    """
    told: dict[Path, _Layer] = {}
    if not isinstance(source, Recipe):
        _collect(find_recipe(source), (), told)
    layers = [*told.values(), _flags(overrides)]
    kind = type(source) if isinstance(source, Recipe) else _kind(layers)
    layer = _Layer(value=(source if isinstance(source, Recipe) else kind()).model_dump(mode="json"))
    for child in layers:
        layer = layer.under(child)
    try:
        recipe = kind.model_validate(layer.value)
    except ValidationError as error:
        for problem in problems(kind, error):
            layer.fault(*problem)
    else:
        for problem in misfits(recipe):
            layer.fault(*problem)
    if layer.faults:
        rank = {place.source: number for number, child in enumerate(layers) for place in child.places.values()}
        ranked = sorted(layer.faults, key=lambda fault: (rank.get(fault[0].source, len(layers)), fault[0].line))
        raise RecipeError([f"{place}: {what}" for place, what in ranked])
    return recipe


def read_recipe(value: Any) -> Recipe:
    """The recipe that was dumped as `value` (raises `ValidationError`)."""
    return TypeAdapter[Recipe](AnyRecipe).validate_python(value)


def _kind(layers: Sequence[_Layer]) -> type[Recipe]:
    """The recipe's class by the `modality` that the last of `layers` says (raises `RecipeError` where it is none)."""
    told = [layer.value["modality"] for layer in layers if "modality" in layer.value]
    if not told:
        return Recipe
    if not isinstance(told[-1], str) or told[-1] not in RECIPES:
        source = next(layer for layer in reversed(layers) if "modality" in layer.value)
        what = f"modality: must be {' or '.join(RECIPES)}, not {json.dumps(told[-1])}"
        raise RecipeError(f"{source.places['modality']}: {what}{did_you_mean(told[-1], RECIPES)}")
    return RECIPES[told[-1]]


def find_recipe(source: str | Path) -> Path:
    """The file of a recipe given as a path or as a shipped name, with or without `.yaml` (raises `UsageError`)."""
    if found := _find(source, Path()):
        return found
    raise UsageError(
        f"there is no recipe {source}; `audiossl recipe list` names the shipped ones{_suggest(source, Path())}"
    )


def list_recipes() -> list[ShippedRecipe]:
    """The shipped recipes, sorted by name."""
    folder = files.shipped("recipes")
    paths = sorted(path for modality in RECIPES for path in (folder / modality).rglob(f"*{SUFFIX}"))
    return [
        ShippedRecipe(
            path.relative_to(folder).with_suffix("").as_posix(), str(read_yaml(path).value.get("description", "")), path
        )
        for path in paths
    ]


def on_other_data(source: str) -> list[str]:
    """The overrides that make a recipe train on all of `source`: what it takes of its own data means nothing there."""
    # JSON is YAML in which no path is mistaken for something else.
    return [f"data.manifest={json.dumps(source)}", "data.splits=null", "data.folds=null", "data.limit=null"]


def dump_recipe(recipe: Recipe) -> str:
    """Every value of a recipe as YAML, which `load_recipe` reads back to an equal recipe."""
    return dump_yaml(recipe.model_dump(mode="json"))


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256 of the recipe's canonical JSON (sorted keys, no spaces), in hex."""
    canonical = json.dumps(recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def differences(here: Recipe, there: Recipe) -> list[str]:
    """The values in which two recipes differ, e.g. `training.batch_size: 128 here, 64 there`."""
    ours, theirs = (_leaves(recipe.model_dump(mode="json")) for recipe in (here, there))
    return [
        f"{path}: {ours.get(path, 'absent')} here, {theirs.get(path, 'absent')} there"
        for path in dict.fromkeys((*ours, *theirs))
        if ours.get(path) != theirs.get(path)
    ]


def recipe_schema() -> dict[str, Any]:
    """The JSON schema of a recipe file, for editors: `# yaml-language-server: $schema=recipe.schema.json`."""
    schema = TypeAdapter(AnyRecipe).json_schema()
    parents = {"type": "string", "description": "A recipe to start from: a path beside this file or a shipped name."}
    for kind in RECIPES.values():
        schema["$defs"][kind.__name__]["properties"]["extends"] = {
            "anyOf": [parents, {"type": "array", "items": parents}]
        }
    # A file that leaves `modality` to what it extends may be a recipe of either kind.
    members = {"anyOf": schema.pop("oneOf")}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **members}


def _collect(path: Path, chain: tuple[Path, ...], layers: dict[Path, _Layer]) -> None:
    """Add a file's layer to `layers` after all that it extends, each file once; `chain` led here."""
    document = read_yaml(path)
    value = dict(document.value)
    parents = value.pop("extends", [])
    where = document.where("extends") + ": extends"
    parents = [parents] if isinstance(parents, str) else parents
    if not isinstance(parents, list) or not all(isinstance(parent, str) for parent in parents):
        raise RecipeError(f"{where}: must be a recipe or a list of recipes, not {json.dumps(parents)}")
    chain = (*chain, path.resolve())
    for parent in parents:
        found = _find(parent, path.parent)
        if found is None:
            raise RecipeError(
                f"{where}: there is no recipe {parent} ({_arrows(chain, parent)}){_suggest(parent, path.parent)}"
            )
        if found.resolve() in chain:
            raise RecipeError(f"{where}: goes in a circle ({_arrows(chain, found.name)}); take one link out")
        if found.resolve() not in layers:
            _collect(found, chain, layers)
    dotted = {".".join(map(str, keys)): line for keys, line in document.lines.items()}
    layers[path.resolve()] = _Layer(value, {key: _Place(str(path), line, key) for key, line in dotted.items()})


def _flags(overrides: Sequence[str]) -> _Layer:
    """The `--set` flags as one layer, so that their order does not matter where they speak of different things."""
    layer = _Layer()
    for override in overrides:
        path, equals, text = override.partition("=")
        path, flag = path.strip(), f"--set {override}"
        if not equals or not all(path.split(".")):
            layer.faults.append((_Place(flag, 0, ""), "is not an assignment; write --set section.key=value"))
            continue
        try:
            value = parse_yaml(text, flag, mapping=False).value
        except RecipeError as error:
            what = str(error).removeprefix(flag).lstrip(":0123456789 ")
            layer.faults.append((_Place(flag, 0, ""), what))
            continue
        section, keys = layer.value, path.split(".")
        for depth, key in enumerate(keys, 1):
            layer.places[".".join(keys[:depth])] = _Place(flag, 0, path)
            if depth == len(keys):
                section[key] = value
                layer.places |= {f"{path}.{inner}": _Place(flag, 0, path) for inner in _paths(value)}
            elif not isinstance(section.get(key), dict):
                section[key] = {}
            section = section[key]
    return layer


def _paths(value: Any) -> Iterator[str]:
    """The dotted path of everything inside a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield str(key)
        yield from (f"{key}.{inner}" for inner in _paths(part))


def _merge(parent: Any, child: Any, path: str, layer: _Layer) -> Any:
    if isinstance(parent, list) and isinstance(child, dict) and child and all(key.isdecimal() for key in child):
        items = list(parent)
        for key, value in child.items():
            here = f"{path}.{key}"
            if int(key) < len(items):
                items[int(key)] = _merge(items[int(key)], value, here, layer)
            else:
                layer.fault(here, f"there is no item {key}; the list has {len(items)}, counted from 0")
        return items
    if not isinstance(parent, dict) or not (isinstance(child, dict) or child is None):
        return child
    child = child or {}
    if path and "name" in parent and child.get("name", parent["name"]) != parent["name"]:
        return child
    prefix = f"{path}." if path else ""
    return {**parent, **{k: _merge(parent.get(k), v, prefix + k, layer) for k, v in child.items()}}


def _find(source: str | Path, folder: Path) -> Path | None:
    for shelf in (folder, files.shipped("recipes")):
        for path in (shelf / str(source), shelf / f"{source}{SUFFIX}"):
            try:
                if path.is_file():
                    return path
            except OSError:  # a name too long for the file system, or a folder that may not be looked into
                continue
    return None


def _suggest(source: str | Path, folder: Path) -> str:
    beside = sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))
    shipped = {shipped.name.rpartition("/")[2]: shipped.name for shipped in list_recipes()}
    word = str(source).removesuffix(SUFFIX)
    return did_you_mean(shipped.get(word, word), (*shipped.values(), *beside))


def _arrows(chain: tuple[Path, ...], last: str) -> str:
    return " -> ".join([*(path.name for path in chain), last])


def _leaves(value: Any, path: str = "") -> dict[str, str]:
    """Dotted paths of all values that are not sections, as JSON text."""
    parts: Mapping[Any, Any] | None = None
    if isinstance(value, dict):
        parts = value
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        parts = dict(enumerate(value))
    if parts is None:
        return {path: json.dumps(value, ensure_ascii=False)}
    return {k: v for key, item in parts.items() for k, v in _leaves(item, f"{path}.{key}".lstrip(".")).items()}

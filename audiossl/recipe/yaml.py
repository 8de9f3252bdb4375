"""The one door for YAML: plain data with the line of every value, and nothing else.

A file from a stranger can hold text, numbers, true, false, null, lists and mappings. Refused, each with its line:
aliases and anchors (289 bytes can expand to 4e7 items), tags (`!!python/...` runs code), duplicate keys, tabs, several
documents, more than 1 MB, more than 50 levels. Scalars follow YAML 1.2: `1e-3` is a float, `no` is text, `010` is 10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audiossl.errors import AudiosslError, RecipeError

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_DIGITS = 30

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAKE: dict[str, Callable[[str], object]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(re.sub(r"\.(?=[in])", "", text.lower())),  # Python has no dot before inf and nan
}

KeyPath = tuple[str | int, ...]
MakeError = Callable[[str], AudiosslError]


@dataclass(frozen=True)
class Document:
    """What a YAML text says, and where.

    `lines` maps the path of each value, such as `("views", "spectrogram", 0, "p")`, to its line, counted from 1.
    Every key is text as written: `1: x` has the key `"1"`.
    """

    value: Any
    lines: Mapping[KeyPath, int]
    source: str

    def where(self, *path: str | int) -> str:
        """`file:line` of the value at `path`, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.source}:{self.lines.get(path, 1)}"


def read_yaml(path: str | Path, *, error: MakeError = RecipeError) -> Document:
    """Read a YAML file whose top level is a mapping; an empty file is an empty mapping.

    Raises:
        AudiosslError: made by `error` from one line per fault, `file:line: what; what to write instead`.
    """
    path = Path(path)
    if not path.is_file():
        raise error(f"{path}: is not a file; give the path of a YAML file")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}); give a file you may read") from fault
    return parse_yaml(content, str(path), error=error)


def parse_yaml(content: str | bytes, source: str, *, error: MakeError = RecipeError, mapping: bool = True) -> Document:
    """Read YAML text, which messages call `source`; with `mapping=False` any value may stand at the top.

    Raises:
        AudiosslError: as `read_yaml`.
    """
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise error(f"{source}: is larger than 1 MB; give a recipe or manifest, which is a page of text")
    try:
        loader = _Loader(_text(raw))
        node = loader.single_node()
        value = None if node is None else loader.plain(node, ())
        if mapping and value is None:
            value = {}
        if mapping and not isinstance(value, dict):
            loader.faults.append((1, "the top level is not a mapping; write `key: value` lines"))
        faults = loader.faults
    except _Refused as fault:
        faults = [fault.args]
    if faults:
        raise error("\n".join(f"{source}:{line}: {what}" for line, what in faults))
    return Document(value, loader.lines, source)


def dump_yaml(value: object) -> str:
    """Plain data as YAML text that `parse_yaml` reads back to the same value; keys keep their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Refused(Exception):  # noqa: N818
    """(line, what): never leaves this file."""


def _text(raw: bytes) -> str:
    def line(position: int) -> int:
        return raw.count(b"\n", 0, position) + 1

    if b"\t" in raw:
        raise _Refused(line(raw.index(b"\t")), "has a tab; write spaces")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise _Refused(line(fault.start), "is not UTF-8 text; save the file as UTF-8") from fault
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        position = len(text[: control.start()].encode())
        raise _Refused(line(position), f"has the control character {control.group()!r}; remove it")
    return text


class _Loader(yaml.SafeLoader):
    """Composes nodes, refusing what could expand or construct before it is followed, and makes plain data of them."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own; ours are added below

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.lines: dict[KeyPath, int] = {}
        self.faults: list[tuple[Any, ...]] = []

    def single_node(self) -> yaml.Node | None:
        try:
            return self.get_single_node()
        except yaml.composer.ComposerError as fault:
            line = fault.problem_mark.line + 1 if fault.problem_mark else 1
            raise _Refused(line, "a second document starts here; keep one and remove `---`") from fault
        except yaml.MarkedYAMLError as fault:
            mark = fault.problem_mark or fault.context_mark
            what = f"is not YAML: {fault.problem or fault.context}; check the indentation, colons and quotes around it"
            raise _Refused(self.line + 1 if mark is None else mark.line + 1, what) from fault
        except (ValueError, OverflowError) as fault:  # PyYAML's for "\UFFFFFFFF" and a version of 5000 digits
            raise _Refused(self.line + 1, "has an escape or version that means nothing; write it plainly") from fault

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused(line, "anchors and aliases (& and *) are refused; write the value out")
        if event.tag is not None:
            raise _Refused(
                line, f"the tag {event.tag} is refused; write plain values, and text that starts with ! in quotes"
            )
        if self.depth == MAX_DEPTH:
            raise _Refused(line, f"is nested deeper than {MAX_DEPTH} levels; write it flatter")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def plain(self, node: yaml.Node, path: KeyPath) -> object:
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.value)]
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if kind == "int" and len(text) > MAX_DIGITS:
            self.faults.append((line, f"is a number of {len(text)} digits; write at most {MAX_DIGITS}"))
            return 0
        if _SURROGATE.search(text):
            try:  # JSON writes a character beyond U+FFFF as two escapes
                text = text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self.faults.append((line, "has half of a character (a lone surrogate); write all of it"))
        return _MAKE.get(kind, str)(text)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append((line, "a key is a list or mapping; write text"))
            elif key in result:
                first = self.lines[(*path, key)]
                self.faults.append((line, f"duplicate key {key}, first on line {first}; keep one of them"))
            else:
                self.lines[(*path, key)] = line
                result[key] = self.plain(value_node, (*path, key))
        return result


class _Dumper(yaml.SafeDumper):
    """Quotes every text that this loader, or a YAML 1.1 one, would read as something else."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _quote_odd_line_breaks(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """PyYAML folds the line breaks of Unicode into spaces unless they stand escaped in double quotes."""
    return dumper.represent_scalar(_TAG + "str", text, style='"' if re.search("[\x85\u2028\u2029]", text) else None)


_Dumper.add_representer(str, _quote_odd_line_breaks)
for _kind, _pattern in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), None)

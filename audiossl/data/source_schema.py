"""How a manifest makes rows: a small fixed vocabulary of sources and fields, without code.

A source gives records of text: the columns of a table, the groups of a regular expression, the parts of a file name.
The fields say which text becomes which column of the items.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from audiossl.recipe.base import Config, Count, Positive


def _relative(path: str) -> str:
    if re.match(r"[/\\~]|[A-Za-z]:", path) or ".." in re.split(r"[/\\]", path):
        raise ValueError(f"{path} leaves the data set's folder; write a path inside it, relative and without `..`")
    return path


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from error
    return text


def _one_group(text: str) -> str:
    if re.compile(_pattern(text)).groups != 1:
        raise ValueError("must have exactly one group in round brackets: the part of the text that is taken")
    return text


RelativePath = Annotated[str, AfterValidator(_relative)]
Regex = Annotated[str, AfterValidator(_pattern)]
PartOf = Annotated[str, AfterValidator(_one_group)]
"""A regular expression whose one group is the part of the text that is taken."""

Template = str
"""Text with `{column}` in it, filled from each record; without brackets it is the same for all rows."""


class ColumnOf(Config):
    """Text of a record: which column, which part of it, and what its values mean."""

    column: str
    part: PartOf | None = None
    map: dict[str, str] | None = None
    """Only these values are allowed, and replaced."""
    otherwise: str | None = None
    """In the place of every value that `map` does not name."""


class Joined(Config):
    """Text from another file of the data set, found by a column of the record."""

    column: str
    file: RelativePath
    """A CSV with a header, or a JSON object of objects."""
    key: str = ""
    """The column of the CSV that holds what the record's column holds; of JSON it is the name."""
    field: str


class Lists(Config):
    """Which text file names the record, one name a line (or the first field of a tab-separated line)."""

    lists: dict[str, RelativePath]
    """Value and file; a file that the data set does not bring lies beside the manifest."""
    key: Template = "{path}"
    """How the record is called in the lists."""
    part: PartOf | None = None
    """Which part of a line is compared, where it is not the whole."""
    header: bool = False
    """The first line of each file names columns."""
    otherwise: str | None = None
    """The value of records that no list names; they are left out where this is not said."""
    leave_out: RelativePath | None = None
    """The records that this file names are left out."""


def _shape(value: Any) -> str:
    """Which of the ways to say a value is meant, so that a fault is told of that one only."""
    if isinstance(value, str):
        return "template"
    said = value if isinstance(value, dict) else vars(value)
    return "lists" if "lists" in said else "joined" if "file" in said else "column"


Value = Annotated[
    Annotated[Template, Tag("template")]
    | Annotated[ColumnOf, Tag("column")]
    | Annotated[Joined, Tag("joined")]
    | Annotated[Lists, Tag("lists")],
    Discriminator(_shape),
]


class Vocabulary(Config):
    """A file that names every label there may be."""

    file: RelativePath
    columns: list[str] | None = None
    """Where the file has no header."""
    key: str
    """The column with labels as the rows write them."""
    name: str | None = None
    """The column with labels as they are shown; as written when left out."""


class LabelsOf(ColumnOf):
    """Labels of a record."""

    sep: str | None = None
    """Several labels are separated by any of these characters; one label when left out."""
    vocabulary: list[str] | Vocabulary | None = None
    """Any other label is a fault."""
    may_be_empty: bool = False
    """A row without a label says that none applies, and is no fault."""


class TextOf(Config):
    """What is heard in a record, in words: for methods that learn from sound and text."""

    template: Template
    """`{caption}` is the column of that name; `{labels}` are the row's own labels, separated by commas."""
    spaces: str = ""
    """Characters that stand for a space, e.g. `_`."""


class Exclude(Config):
    """Records that are left out, and why."""

    of: Template
    values: Annotated[list[str], Field(min_length=1)]
    reason: str


class Windows(Config):
    """A row for each stretch of a long file."""

    length_s: Positive
    hop_s: Positive


class Choices(Config):
    """The fields that a task may say otherwise for every source."""

    labels: LabelsOf | Template | None = None
    split: Value | None = None
    fold: Value | None = None
    group: Value | None = None
    text: TextOf | None = None
    only: dict[str, str | list[str]] | None = None
    """Keep the records whose columns have one of these values, e.g. `{esc10: "True"}`."""


class Fields(Choices):
    """Which text of a record becomes which column of the table."""

    name: str = ""
    """For tasks that want some of the sources only."""
    id: Template | None = None
    """Unique; the path (with the times of a segment) when left out."""
    start_s: ColumnOf | None = None
    end_s: ColumnOf | None = None
    exclude: tuple[Exclude, ...] = ()
    windows: Windows | None = None
    when: RelativePath | None = None
    """Use this source only where the root holds this file or folder; the first such source is taken."""


class TableSource(Fields):
    """Records of a file; each names the file of an example."""

    file: RelativePath
    path: Template | Annotated[list[Template], Field(min_length=1)]
    """Where the example's file is, e.g. `audio/{filename}`; of several the first that is there."""
    suffixes: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    """What comes after `path`, where data sets differ in the format: the first that is there."""
    missing: Literal["fault", "skip_and_record"] = "fault"
    """What a file that is not there means: damage, or a copy that is known to be partial and is counted."""


class CsvSource(TableSource):
    """One row per line of a table."""

    kind: Literal["csv"] = Field(alias="from")
    delimiter: Literal[",", ";", "\t", " "] = ","
    columns: list[str] | list[list[str]] | None = None
    """Where the file has no header; of several the one with as many columns as the line."""
    comment: str | None = None
    """Lines that begin so are left out."""
    trim: bool = False
    """Spaces after a delimiter do not count."""


class JsonSource(TableSource):
    """One row per line of JSON, or per member of one JSON object, whose name is the column `key`."""

    kind: Literal["jsonl", "json_map"] = Field(alias="from")


class AnnotationSource(TableSource):
    """One row per labelled stretch; all that stand for one file make one example with events.

    `file` may hold `*`: then every such file also is an example without events where it is empty, and its `stem` and
    `parent` are columns.
    """

    kind: Literal["annotations"] = Field(alias="from")
    onset_s: ColumnOf
    offset_s: ColumnOf
    delimiter: Literal[",", ";", "\t", " "] = "\t"
    columns: list[str] | list[list[str]] | None = None
    """Where the file has no header; of several the one with as many columns as the line."""


class FolderSource(Fields):
    """Every file in a folder; the records have `path`, `name`, `stem` and `parent`."""

    kind: Literal["folder"] = Field(alias="from")
    folder: RelativePath = "."


class RegexSource(Fields):
    """Every file whose path relative to the root matches; the records have the expression's named groups."""

    kind: Literal["filename_regex"] = Field(alias="from")
    regex: Regex


class SynthSource(Fields):
    """Sounds or pictures that audiossl makes itself, once, into a cache folder."""

    kind: Literal["synth"] = Field(alias="from")
    n: Count
    seed: int = 0


class PackedSource(Fields):
    """Small square pictures, many to a file, which are first written beside them as files in a folder `pictures`.

    The records have `part` and `label`.
    """

    kind: Literal["packed_pictures"] = Field(alias="from")
    folder: RelativePath
    """Where the files are, and the pictures are written."""
    parts: dict[str, list[RelativePath]]
    names: RelativePath
    """The names of the classes, one a line."""
    side: Count


class ClosedSource(Fields):
    """A form of the data set that is known and cannot be read."""

    kind: Literal["closed"] = Field(alias="from")
    why: str
    """With what to get in its place."""


Source = Annotated[
    CsvSource | JsonSource | AnnotationSource | FolderSource | RegexSource | SynthSource | PackedSource | ClosedSource,
    Field(discriminator="kind"),
]

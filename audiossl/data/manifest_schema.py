"""What a manifest may say: one YAML file tells what a data set is, where it comes from and how its rows are made.

A manifest is data: a small fixed vocabulary, relative paths, no code. Rows are made by `sources`; each gives records
of text (the columns of a CSV, the groups of a regular expression, the parts of a file name), and the fields below say
which text becomes which column of the table.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from audiossl.recipe.base import Config, Count


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


RelativePath = Annotated[str, AfterValidator(_relative)]
Template = str
"""Text with `{column}` in it, filled from each record."""


class Checksums(Config):
    """A file on the network; every checksum given is verified."""

    url: str
    md5: str | None = None
    sha256: str | None = None
    bytes: Count | None = None


class Remote(Config):
    """One archive or file to fetch, and where it is unpacked."""

    kind: Literal["zip", "tar", "multipart_zip", "file"] = "zip"
    parts: list[Checksums]
    unpack_to: RelativePath = "."
    moving: bool = False
    """The bytes behind the address may change, so a checksum that differs is no proof of damage."""


class Licence(Config):
    """Who may use the data, as an SPDX identifier where there is one."""

    dataset: str
    commercial: Literal["yes", "no", "restricted", "unknown"] = "unknown"
    notes: str = ""


class Audio(Config):
    """What the files are, for information and for `audiossl data check`."""

    sample_rate: Count | None = None
    channels: Count | None = None
    format: str | None = None
    duration_s: tuple[float, float] | None = None
    """Shortest and longest."""


class ColumnOf(Config):
    """Text of a record: which column, and what its values mean."""

    column: str
    map: dict[str, str] | None = None
    """Only these values are allowed, and replaced."""


class LabelsOf(ColumnOf):
    """Labels of a record."""

    sep: str | None = None
    """Several labels are separated by any of these characters; one label when left out."""


class TextOf(Config):
    """What is heard in a record, in words: for methods that learn from sound and text."""

    template: Template
    """`{caption}` is the column of that name; `{labels}` are the row's own labels, separated by commas."""
    spaces: str = ""
    """Characters that stand for a space, e.g. `_`."""


class Fields(Config):
    """Which text of a record becomes which column of the table."""

    id: Template | None = None
    """Unique; the path (with the times of a segment) when left out."""
    labels: LabelsOf | None = None
    split: ColumnOf | str | None = None
    """A column, or one split for all rows of the source."""
    fold: ColumnOf | None = None
    group: ColumnOf | None = None
    text: TextOf | None = None
    start_s: ColumnOf | None = None
    end_s: ColumnOf | None = None
    only: dict[str, str] | None = None
    """Keep the records whose columns have these values, e.g. `{esc10: "True"}`."""
    when: RelativePath | None = None
    """Use this source only where the root holds this file or folder; the first such source is taken."""


class CsvSource(Fields):
    """One row per line of a CSV with a header."""

    kind: Literal["csv"] = Field(alias="from")
    file: RelativePath
    path: Template
    """Where the file is, e.g. `audio/{filename}`."""
    delimiter: Literal[",", ";", "\t"] = ","


class FolderSource(Fields):
    """Every sound file in a folder; the records have `path`, `name`, `stem` and `parent`."""

    kind: Literal["folder"] = Field(alias="from")
    folder: RelativePath = "."


class RegexSource(Fields):
    """Every file whose path relative to the root matches; the records have the expression's named groups."""

    kind: Literal["filename_regex"] = Field(alias="from")
    regex: Annotated[str, AfterValidator(_pattern)]


class SynthSource(Fields):
    """Sounds that audiossl makes itself, once, into a cache folder."""

    kind: Literal["synth"] = Field(alias="from")
    n: Count
    seed: int = 0


Source = Annotated[CsvSource | FolderSource | RegexSource | SynthSource, Field(discriminator="kind")]


class Protocol(Config):
    """How a task is scored."""

    kind: Literal["cv", "holdout"]
    by: Literal["fold"] = "fold"
    folds: Count | None = None
    train: list[str] | None = None
    valid: list[str] | None = None
    test: list[str] | None = None


class Metrics(Config):
    """What is reported: the data set's own metric first."""

    primary: str
    others: tuple[str, ...] = ()


class Task(Config):
    """One question that the data set can answer."""

    target: Literal["labels"] = "labels"
    protocol: Protocol
    metrics: Metrics


class Expect(Config):
    """Figures that `audiossl data check` counts again."""

    items: Count | None = None
    classes: Count | None = None
    splits: dict[str, Count] | None = None
    folds: dict[str, Count] | None = None
    groups: Count | None = None
    texts: Count | None = None
    """Rows with a text."""
    crossing_groups: int = 0
    """Groups that the official folds cut apart."""


class Confirmed(Config):
    """Where figures come from."""

    by: str
    on: str
    figures: list[str]


class Manifest(Config):
    """A data set."""

    schema_: Literal["audiossl/manifest@1"] = Field(alias="schema")
    name: str
    version: str
    modality: Literal["audio"] = "audio"
    title: str = ""
    homepage: str = ""
    citation: dict[str, str] = Field(default={})
    license: Licence
    remotes: dict[str, Remote] = Field(default={})
    audio: Audio = Audio()
    items: Annotated[list[Source], Field(min_length=1)]
    splits: tuple[str, ...] = ("train", "valid", "test")
    """The splits that rows may have."""
    tasks: dict[str, Task] = Field(default={})
    expect: Expect = Expect()
    confirmed: tuple[Confirmed, ...] = ()

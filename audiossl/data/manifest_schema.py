"""What a manifest may say: one YAML file tells what a data set is, where it comes from and how its rows are made.

A manifest is data: a small fixed vocabulary, relative paths, no code. `source_schema` says how its rows are made.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from audiossl.data.source_schema import Choices, RelativePath, Source
from audiossl.data.targets import Target
from audiossl.recipe.base import Config, Count


class Checksums(Config):
    """A file on the network; every checksum given is verified."""

    url: str
    name: str | None = None
    """What the file is called here, where the address does not end in its name."""
    md5: str | None = None
    sha256: str | None = None
    bytes: Count | None = None


class Remote(Config):
    """One archive or file to fetch, and where it is unpacked."""

    kind: Literal["zip", "tar", "multipart_zip", "concat", "file", "git"] = "zip"
    """`multipart_zip`: `.z01`, `.z02`, ..., `.zip`. `concat`: an archive cut into pieces. `git`: cloned by the user."""
    parts: list[Checksums]
    ref: str = ""
    """Of `git`: the commit."""
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


class Image(Config):
    """The same of pictures, `mode` and `format` as Pillow calls them."""

    width: tuple[Count, Count] | None = None
    height: tuple[Count, Count] | None = None
    """Least and most pixels."""
    mode: str | None = None
    format: str | None = None


class Protocol(Config):
    """What parts the rows into training and test; where nothing is said, folds or else splits, where there are any."""

    by: Literal["fold", "split", "group"] | None = None
    train: list[str] | None = None
    """All splits that neither choose nor test, when left out."""
    valid: list[str] = Field(default=[])
    test: list[str] = Field(default=["test"])
    runs: Count = 1
    """So many trainings with seeds of their own, whose mean is the figure."""


class Metrics(Config):
    """What is reported: the data set's own metric first."""

    primary: str
    others: tuple[str, ...] = ()


class Expect(Config):
    """Figures that `audiossl data check` counts again."""

    items: Count | None = None
    classes: Count | None = None
    splits: dict[str, Count] | None = None
    folds: dict[str, Count] | None = None
    groups: Count | None = None
    texts: Count | None = None
    """Rows with a text."""
    events: Count | None = None
    """Labelled stretches of all rows."""
    crossing_groups: int = 0
    """Groups that the official folds cut apart."""


class Task(Choices):
    """One question that the data set can answer; what it says of fields holds for all sources."""

    title: str = ""
    target: Target = "single"
    protocol: Protocol = Protocol()
    metrics: Metrics
    sources: list[str] | None = None
    """Only the sources of these names."""
    items: list[Source] | None = None
    """Sources in the place of the manifest's."""
    expect: Expect | None = None
    """Figures of this task's rows, where they differ from the manifest's."""


class Confirmed(Config):
    """Where figures come from."""

    by: str
    on: str
    figures: list[str]
    recalled: bool = False
    """From memory, by nobody looked up again."""


class Manifest(Config):
    """A data set."""

    schema_: Literal["audiossl/manifest@1"] = Field(alias="schema")
    name: str
    version: str
    modality: Literal["audio", "image"] = "audio"
    title: str = ""
    homepage: str = ""
    notes: str = ""
    citation: dict[str, str] = Field(default={})
    license: Licence
    availability: Literal["full", "partial", "registration", "gated", "local"] = "full"
    """Everything can be fetched; some files are gone for most; after a registration; after an agreement; not at all."""
    folder: RelativePath | None = None
    """What the archives unpack into; the data folder may be this one or the one above it."""
    remotes: dict[str, Remote] = Field(default={})
    audio: Audio = Audio()
    image: Image = Image()
    items: Annotated[list[Source], Field(min_length=1)]
    splits: tuple[str, ...] = ("train", "valid", "test")
    """The splits that rows may have."""
    tasks: dict[str, Task] = Field(default={})
    """The first one is meant where none is named."""
    expect: Expect = Expect()
    confirmed: tuple[Confirmed, ...] = ()

"""`audiossl data list` and `show`: what the manifests say, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from audiossl_cli.console import BYTES, amount, emit, emit_entry, emit_json, emit_table
from audiossl_cli.data_fetch import COMMERCIAL

if TYPE_CHECKING:
    from audiossl.data.manifest_schema import Audio, Confirmed, Expect, Image, Manifest, Remote, Task

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_AVAILABLE = {
    "full": "all of it can be fetched",
    "partial": "only a part can be fetched, the rest is for you to bring",
    "registration": "given out after a registration",
    "gated": "given out after an agreement or a login",
    "local": "your own copy",
}
_PARTED = {"fold": "each fold tested in turn", "group": "each group tested in turn", None: "folds made by audiossl"}


def list_(as_json: AsJson = False) -> None:
    """List the data sets that audiossl knows: items, classes, licence, and whether they can be fetched.

    Example: audiossl data list
    """
    from audiossl.data.manifest import load_manifest, shipped_manifests

    manifests = [load_manifest(name) for name in shipped_manifests()]
    if as_json:
        emit_json([_entry(one) for one in manifests])
        return
    emit_table(
        ["name", "kind", "items", "classes", "licence", "get it"],
        [
            [
                one.name,
                one.modality,
                _figure(one.expect.items),
                _figure(one.expect.classes),
                one.license.dataset,
                _get(one),
            ]
            for one in manifests
        ],
    )


def show(
    source: Annotated[str, typer.Argument(help="A shipped manifest's name, or a manifest file.")],
    as_json: AsJson = False,
) -> None:
    """Show what a manifest says: licence, figures and where they come from, tasks, what there is to download.

    Example: audiossl data show esc50
    """
    from audiossl.data.manifest import load_manifest

    manifest = load_manifest(source)
    if as_json:
        emit_json(manifest.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True))
        return
    emit(manifest.title or manifest.name)
    for name, text in _facts(manifest):
        emit_entry(f"{name:13}", text)
    for figure, who in _also(manifest):
        emit_entry(f"{'':13}", f"{figure}: {who}")
    if figures := list(_figures(manifest)):
        emit_table(["figure", "count", "says who"], figures)
    if manifest.tasks:
        emit_table(
            ["task", "of", "how", "metric"], [_task(manifest, name, one) for name, one in manifest.tasks.items()]
        )
    if manifest.remotes:
        downloads = [_download(name, remote) for name, remote in manifest.remotes.items()]
        emit_table(["download", "kind", "files", "size", "checksums"], downloads)
        emit(f"  {_total(manifest)}")


def _entry(manifest: Manifest) -> dict[str, object]:
    return {
        "name": manifest.name,
        "title": manifest.title,
        "modality": manifest.modality,
        "items": manifest.expect.items,
        "classes": manifest.expect.classes,
        "licence": manifest.license.dataset,
        "commercial": manifest.license.commercial,
        "availability": manifest.availability,
        "tasks": list(manifest.tasks),
    }


def _get(manifest: Manifest) -> str:
    """One word for whether `data fetch` brings it."""
    if any(source.kind == "synth" for source in manifest.items):
        return "made"
    cloned = any(remote.kind == "git" for remote in manifest.remotes.values())
    return "clone" if cloned else {"full": "fetch"}.get(manifest.availability, manifest.availability)


def _facts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "name", f"{manifest.name}, version {manifest.version}, {manifest.modality}"
    if manifest.homepage:
        yield "homepage", manifest.homepage
    if manifest.citation:
        yield (
            "cite",
            ", ".join(
                value if name == "bibtex_key" else f"{name} {value}" for name, value in manifest.citation.items()
            ),
        )
    yield "licence", f"{manifest.license.dataset}; {COMMERCIAL[manifest.license.commercial]}"
    if manifest.license.notes:
        yield "", manifest.license.notes
    yield "availability", _AVAILABLE[manifest.availability]
    for what, told in (("sounds", _sounds(manifest.audio)), ("pictures", _pictures(manifest.image))):
        if facts := ", ".join(told):
            yield what, facts
    if manifest.notes:
        yield "notes", manifest.notes
    if manifest.confirmed:
        yield "says who", "of the counts see below; of the rest:"


def _sounds(audio: Audio) -> Iterator[str]:
    if audio.sample_rate:
        yield f"{audio.sample_rate} Hz"
    if audio.channels:
        yield {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} channels")
    if audio.format:
        yield audio.format
    if audio.duration_s:
        shortest, longest = audio.duration_s
        yield f"{longest:g} s" if shortest == longest else f"{shortest:g} to {longest:g} s"


def _pictures(image: Image) -> Iterator[str]:
    for sides, what in ((image.width, "wide"), (image.height, "high")):
        if sides:
            least, most = sides
            yield f"{least:,} pixels {what}" if least == most else f"{least:,} to {most:,} pixels {what}"
    yield from filter(None, (image.mode, image.format))


def _also(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Who says what is no count: licence, addresses, columns, tasks."""
    counts = {_named(figure, manifest.confirmed) for figure, _ in _all_counts(manifest)}
    for one in manifest.confirmed:
        if names := [name for name in one.figures if name not in counts]:
            yield ", ".join(names), one.by


def _figures(manifest: Manifest) -> Iterator[list[str]]:
    """Every figure that `data check` counts again, and who says so."""
    for figure, count in _all_counts(manifest):
        shown = figure.replace("tasks.", "").replace(".expect.", ": ").replace("_", " ").replace(".", " ")
        name = _named(figure, manifest.confirmed)
        who = [one.by for one in manifest.confirmed if name in one.figures]
        yield [shown, count, "; ".join(who) or "nobody"]


def _all_counts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """`splits.test`, `tasks.esc10.expect.items`, ..., and the count."""
    told = [("", manifest.expect)]
    told += [(f"tasks.{name}.expect.", task.expect) for name, task in manifest.tasks.items() if task.expect]
    return ((f"{where}{name}", count) for where, expect in told for name, count in _counts(expect))


def _counts(expect: Expect) -> Iterator[tuple[str, str]]:
    for name, value in expect.model_dump(exclude_none=True, exclude_defaults=True).items():
        if not isinstance(value, dict):
            yield name, f"{value:,}"
        elif len(value) > 2 and len(set(value.values())) == 1:
            yield name, f"{next(iter(value.values())):,} in each of {len(value)}"
        else:
            yield from ((f"{name}.{part}", f"{count:,}") for part, count in value.items())


def _named(figure: str, confirmed: Sequence[Confirmed]) -> str | None:
    """The name by which somebody stands for a figure: its own, or that of the closest of what it is part of."""
    parts = figure.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if any(name in one.figures for one in confirmed)), None)


def _task(manifest: Manifest, name: str, task: Task) -> list[str]:
    protocol = task.protocol
    by = protocol.by
    if by == "split":
        train = " + ".join(protocol.train or ["the rest"])
        chosen = f", choose on {' + '.join(protocol.valid)}" if protocol.valid else ""
        how = f"train on {train}{chosen}, test {' + '.join(protocol.test)}"
    else:
        how = _PARTED[by]
    how += f", mean of {protocol.runs} runs" * (protocol.runs > 1)
    first = name == next(iter(manifest.tasks))
    called = manifest.name if first else f"{manifest.name}/{name}"
    what = f"{task.title}: {how}" if task.title else how
    return [called, task.target, what, ", ".join([task.metrics.primary, *task.metrics.others])]


def _download(name: str, remote: Remote) -> list[str]:
    sizes = [part.bytes for part in remote.parts]
    known = amount(sum(size or 0 for size in sizes), BYTES) if any(sizes) else "not told"
    sums = {kind for part in remote.parts for kind in ("md5", "sha256") if getattr(part, kind)}
    sums |= {"size"} if any(sizes) else set()
    return [name, remote.kind, str(len(remote.parts)), known, " ".join(sorted(sums)) or "none"]


def _total(manifest: Manifest) -> str:
    cloned = [remote.parts[0].url for remote in manifest.remotes.values() if remote.kind == "git"]
    parts = [part for remote in manifest.remotes.values() if remote.kind != "git" for part in remote.parts]
    known = sum(part.bytes or 0 for part in parts)
    unknown = sum(part.bytes is None for part in parts)
    rest = f"{unknown} file{'s' * (unknown > 1)} whose size only the server tells" if unknown else ""
    told = [*(f"git clone {url}" for url in cloned), amount(known, BYTES) if known else "", rest]
    return "in all: " + " and ".join(filter(None, told))


def _figure(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"

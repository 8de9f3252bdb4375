"""A manifest as one of its tasks wants it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from audiossl.data.items import Design
from audiossl.data.manifest_schema import Expect, Manifest
from audiossl.data.source_schema import Choices, Source
from audiossl.errors import DataError, UsageError


@dataclass(frozen=True)
class Asked:
    """A manifest with one of its tasks applied: the sources as this task wants them."""

    manifest: Manifest
    name: str
    sources: list[Source]
    expect: Expect
    design: Design
    beside: Path | None = None


def apply_task(manifest: Manifest, task: str | None = None, beside: Path | None = None) -> Asked:
    """The manifest as one of its tasks wants it; as the first one when none is named.

    Args:
        manifest: with or without tasks.
        task: by name.
        beside: the manifest's folder.

    Raises:
        UsageError: there is no such task.
        DataError: the task names a source that is not there.
    """
    if task is not None and task not in manifest.tasks:
        near = get_close_matches(task, manifest.tasks, n=1)
        hint = f"did you mean {near[0]}?" if near else f"write one of: {', '.join(manifest.tasks) or 'none'}"
        raise UsageError(f"{manifest.name} has no task {task}; {hint}")
    first = next(iter(manifest.tasks), None)
    chosen = task or first
    if chosen is None:
        return Asked(manifest, manifest.name, manifest.items, manifest.expect, Design(), beside)
    said = manifest.tasks[chosen]
    named = {source.name for source in said.items or manifest.items}
    if unknown := sorted(set(said.sources or ()) - named):
        raise DataError(f"{manifest.name}: the task {chosen} names the source {unknown[0]}, which is not there")
    wanted = [one for one in said.items or manifest.items if said.sources is None or one.name in said.sources]
    fields = {name: value for name in Choices.model_fields if (value := getattr(said, name)) is not None}
    changed = bool(fields or said.sources or said.items)
    protocol = said.protocol
    design = Design(
        task=chosen,
        target=said.target,
        by=protocol.by,
        train=None if protocol.train is None else tuple(protocol.train),
        valid=tuple(protocol.valid),
        test=tuple(protocol.test),
        metric=said.metrics.primary,
    )
    expect = said.expect or (manifest.expect if chosen == first or not changed else Expect())
    name = manifest.name if chosen == first else f"{manifest.name}/{chosen}"
    return Asked(manifest, name, [one.model_copy(update=fields) for one in wanted], expect, design, beside)

"""Embeddings of any number of files into a folder of Parquet. The same call again goes on where the last stopped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audiossl.bundle.bundle import Bundle
from audiossl.data.items import Item, Items
from audiossl.embedding.engine import Engine
from audiossl.embedding.jobs import Embedded, Extraction, Job
from audiossl.embedding.ledger import FAILURES, Failure, Key, Stamp, key_of, stamp_of
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.writer import StoreWriter
from audiossl.errors import UsageError, WriteError
from audiossl.progress import Progress, Silent
from audiossl.version import __version__

LOCK = "lock"


@dataclass(frozen=True)
class EmbedReport:
    """What a call of `embed_items` did."""

    out: Path
    items: int
    """That were asked for."""
    embedded: int
    """Done by this call."""
    skipped: int
    """Done by an earlier one, and unchanged since."""
    failed: int
    """Of the items asked for; see `failures.csv`."""
    windows: int
    """Rows that this call wrote to the table of windows."""
    sound_s: float
    """Seconds of sound embedded by this call."""
    wall_s: float

    @property
    def failures(self) -> Path:
        """The list of what failed."""
        return self.out / FAILURES

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "out": str(self.out), "failures": str(self.failures)}


def embed_items(
    bundle: Bundle, items: Items, out: Path, options: EmbedOptions | None = None, *, progress: Progress | None = None
) -> EmbedReport:
    """Embed every item into the folder `out` (see `store`), except what is there already and unchanged.

    A file that fails is listed in `failures.csv` and changes nothing else; it is tried again when it has changed or
    with `retry_failed`. Killed at any moment, the next call loses at most one shard of work.

    Args:
        bundle: the encoder; is moved to the device of `options`.
        items: what to embed. Rows of other items in the folder stay.
        out: made where it is missing.
        options: how; the defaults when left out.
        progress: told about every item.

    Raises:
        UsageError: the folder was made by another model or with other parameters, or another run is writing to it.
        WriteError: the disk is full or the folder cannot be written; what was finished stays.
    """
    options = options or EmbedOptions()
    engine = Engine(bundle, options)
    with _locked(out):
        return _embed(engine, items, out, options, progress or Silent())


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep `out` to ourselves; a run that is killed holds nothing."""
    lock = FileLock(out / LOCK, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"{out}: another run is writing here; wait for it, or give another --out") from error
    except OSError as error:
        raise WriteError(f"{out}: cannot be written ({error.strerror or error}); give another --out") from error
    try:
        yield
    finally:
        lock.release()


def _embed(engine: Extraction, items: Items, out: Path, options: EmbedOptions, progress: Progress) -> EmbedReport:
    began = time.monotonic()
    writer = StoreWriter(
        out,
        {"audiossl": __version__, **engine.about()},
        engine.parameters(),
        engine.embedding_dim,
        shard_items=options.shard_items,
        shard_s=options.shard_s,
    )
    asked = [item._replace(path=str(path.absolute())) for item, path in zip(items.rows(), items.paths(), strict=True)]
    todo, stale = _todo(asked, writer, options.retry_failed)
    writer.remove(stale)
    jobs = [Job(index, Path(item.path), item.start_s, item.end_s) for index, (item, _) in enumerate(todo)]
    embedded, windows, sound_s, failed = 0, 0, 0.0, 0
    progress.start("embedding", len(asked), "files", done=len(asked) - len(todo))
    results = engine.run(jobs)
    try:
        for result in results:
            item, stamp = todo[result.job.index]
            if isinstance(result, Embedded):
                writer.add(item, stamp, result)
                embedded, windows = embedded + 1, windows + len(result.embeddings)
                sound_s += result.duration_s
            else:
                failed += 1
                writer.failures[key_of(item)] = Failure(key_of(item), result.cause, result.offset_s, stamp)
            speed = sound_s / (time.monotonic() - began)
            progress.advance(1, speed=f"{speed:.0f} x real time", failed=failed)
    finally:
        results.close()
        progress.close()
        writer.flush()
    failures = sum(key_of(item) in writer.failures for item in asked)
    skipped = len(asked) - embedded - failures
    return EmbedReport(out, len(asked), embedded, skipped, failures, windows, sound_s, time.monotonic() - began)


def _todo(asked: Iterable[Item], writer: StoreWriter, retry_failed: bool) -> tuple[list[tuple[Item, Stamp]], set[Key]]:
    """The items to embed with their stamps, and the keys of those whose rows in the store are out of date."""
    done, todo, stale = writer.done(), [], set()
    for item in asked:
        key, stamp = key_of(item), stamp_of(Path(item.path))
        known, failure = done.get(key), writer.failures.get(key)
        if known == (stamp, [item.id, list(item.labels), item.split, item.fold, item.group]):
            continue
        if failure and failure.stamp == stamp and not retry_failed:
            continue
        if known:
            stale.add(key)
        todo.append((item, stamp))
    return todo, stale

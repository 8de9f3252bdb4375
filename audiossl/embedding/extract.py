"""Embeddings of any number of files into a folder of Parquet. The same call again goes on where the last stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from audiossl.bundle.baseline import Model
from audiossl.data.items import Items
from audiossl.embedding.asked import Asked
from audiossl.embedding.engine import Engine
from audiossl.embedding.jobs import Embedded, Extraction
from audiossl.embedding.ledger import FAILURES, Failure, key_of
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.shares import Share, refuse_mixed
from audiossl.embedding.writer import StoreWriter
from audiossl.errors import UsageError, WriteError
from audiossl.places.folder import Place, Remote
from audiossl.progress import Progress, Silent
from audiossl.version import __version__

LOCK = "lock"


@dataclass(frozen=True)
class EmbedReport:
    """What a call of `embed_items` did."""

    out: Place
    items: int
    """That were asked for; of these, with `share`, those of the share."""
    embedded: int
    """Done by this call."""
    skipped: int
    """Done by an earlier one, and unchanged since."""
    failed: int
    """Of the items asked for; see `failures.csv`."""
    windows: int
    """Rows that this call wrote to the table of windows."""
    sound_s: float | None
    """Seconds of sound embedded by this call; None of what has no time."""
    wall_s: float
    embedding_dim: int
    parameters: dict[str, Any]
    """Everything that decided the numbers."""
    precision_check: dict[str, Any] | None
    """How far this call's bf16 rows were from float32, of its first windows (see `precision`); None for float32."""

    @property
    def failures(self) -> Place:
        """The list of what failed."""
        return self.out / FAILURES

    @property
    def files_per_s(self) -> float:
        """Embedded by this call, of its whole time."""
        return self.embedded / max(self.wall_s, 1e-9)

    @property
    def times_real_time(self) -> float | None:
        """Seconds of sound in a second; None of what has no time."""
        return None if self.sound_s is None else self.sound_s / max(self.wall_s, 1e-9)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        speeds = {"files_per_s": self.files_per_s, "times_real_time": self.times_real_time}
        return {**vars(self), **speeds, "out": str(self.out), "failures": str(self.failures)}


def embed_items(
    model: Model,
    items: Items,
    out: Place,
    options: EmbedOptions | None = None,
    *,
    share: Share | None = None,
    progress: Progress | None = None,
) -> EmbedReport:
    """Embed every item into the folder `out` (see `store`), except what is there already and unchanged.

    A file that fails is listed in `failures.csv` and changes nothing else; it is tried again when it has changed or
    with `retry_failed`. Killed at any moment, the next call loses at most one shard of work.

    Args:
        model: a bundle, which is moved to the device of `options`, or a baseline.
        items: what to embed. Rows of other items in the folder stay.
        out: made where it is missing. At a URL there is no lock: no two runs may write there at once.
        options: how; the defaults when left out.
        share: embed only the items of this share, into its folder in `out`.
        progress: told about every item.

    Raises:
        UsageError: the folder was made by another model, with other parameters or other shares, or another run is
            writing to it.
        WriteError: the disk is full or the folder cannot be written; what was finished stays.
    """
    options = options or EmbedOptions()
    folder = out if share is None else out / share.folder
    with _engine(model, options) as engine:
        refuse_mixed(out, share, engine.parameters())
        with _locked(folder):
            return _embed(engine, Asked(items, share), folder, options, progress or Silent())


def _engine(model: Model, options: EmbedOptions) -> AbstractContextManager[Extraction]:
    if options.engine == "ray":
        from audiossl.embedding.engine_ray import ray_engine

        return ray_engine(model, options)
    return nullcontext(Engine(model, options))


@contextmanager
def _locked(out: Place) -> Iterator[None]:
    """Keep `out` to ourselves; a run that is killed holds nothing. There are no locks elsewhere."""
    if isinstance(out, Remote):
        yield
        return
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


def _embed(engine: Extraction, asked: Asked, out: Place, options: EmbedOptions, progress: Progress) -> EmbedReport:
    began = time.monotonic()
    writer = StoreWriter(
        out,
        lambda: {"audiossl": __version__, **engine.about()},
        engine.parameters(),
        engine.embedding_dim,
        engine.columns,
        shard_items=options.shard_items,
        shard_s=options.shard_s,
    )
    todo, stale = asked.todo(writer.done(), writer.failures, options.retry_failed)
    writer.remove(stale)
    embedded, windows, failed = 0, 0, 0
    sound_s = 0.0 if "duration_s" in engine.columns else None
    progress.start("embedding", len(asked), "files", done=len(asked) - len(todo))
    results = engine.run(asked.jobs(list(todo)))
    try:
        for result in results:
            item, stamp = asked.item(result.job.index), todo.pop(result.job.index)
            if isinstance(result, Embedded):
                writer.add(item, stamp, result)
                embedded, windows = embedded + 1, windows + len(result.embeddings)
                if sound_s is not None:
                    sound_s += result.met["duration_s"]
            else:
                failed += 1
                writer.fail(Failure(key_of(item), result.cause, result.offset_s, stamp))
            elapsed_s = time.monotonic() - began
            speed = {} if sound_s is None else {"speed": f"{sound_s / elapsed_s:.0f} x real time"}
            progress.advance(1, **speed, failed=failed)
    finally:
        results.close()
        progress.close()
        writer.flush()
    failures = sum(key in writer.failures for key in asked.item_keys()) if writer.failures else 0
    return EmbedReport(
        out=out,
        items=len(asked),
        embedded=embedded,
        skipped=len(asked) - embedded - failures,
        failed=failures,
        windows=windows,
        sound_s=sound_s,
        wall_s=time.monotonic() - began,
        embedding_dim=engine.embedding_dim,
        parameters=engine.parameters(),
        precision_check=engine.about().get("precision_check"),
    )

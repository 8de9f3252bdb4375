"""The one pipeline of extraction: from jobs to embeddings, in whatever order they are done.

Each worker thread reads a file (libsndfile and soxr free the interpreter lock), prepares its windows, and encodes
them itself with one tensor thread, so N workers keep N cores busy. Windows in one batch have equal length: nothing is
padded. On a CPU the embedding of a file is a pure function of the file, the model and the parameters, bit for bit,
whatever else is embedded beside it, in whatever order and by however many workers: a batch holds windows of two files
only where no bit of a row feels its company (see `company`), and is small, which is the fastest there; where all
windows are of one length it is always full, if need be of blanks. On an accelerator batches are filled from many files,
and rounding can differ by about 1e-6 with the company a window keeps.

All or nothing per file: a file that fails anywhere gives a `Failed` and no rows. Memory is bounded by the workers'
batches and the rows of the files in hand, not by the length or number of files.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiossl.bundle.baseline import Model
from audiossl.bundle.bundle import Array
from audiossl.devices import cores, keep_freed_memory, one_thread_per_worker
from audiossl.embedding.company import MOST_WINDOWS, Company
from audiossl.embedding.extractor import make_extractor, require_rate
from audiossl.embedding.jobs import Embedded, Failed, Job, Result
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.row_times import row_times
from audiossl.embedding.rows import Rows
from audiossl.errors import MediaError
from audiossl.media import Window

_CPU_MIXED = 4
"""Windows of several files that a CPU takes at once where a batch has fewer, in at most as many times the batch's
seconds: dense layers read their weights once for all of them."""
_WAITING_BATCHES = 4
"""Batches' worth of windows of different lengths that may wait to be filled up."""


class Engine:
    """A model on its device, ready to embed jobs. Moves the model."""

    def __init__(self, model: Model, options: EmbedOptions) -> None:
        self.extractor = make_extractor(model, options)
        self.reader = self.extractor.reader
        on_cpu = self.extractor.device.type == "cpu"
        if on_cpu:
            keep_freed_memory()  # the maps of every file are megabytes whose pages would fault again: up to a third
        self.workers = cores() if options.workers == "auto" else options.workers
        self.mix_files = not on_cpu
        batch = self.reader.batches[not on_cpu]
        if options.batch_s != "auto":
            batch = round(options.batch_s * require_rate(self.reader, "--batch-s"))
        small = on_cpu and options.batch_s == "auto"
        self.batch_samples, self._mixed = batch, _CPU_MIXED if small else 1
        self._most = MOST_WINDOWS if small else batch
        self._filled = small and self.reader.one_length
        self.waiting_samples = _WAITING_BATCHES * self._mixed * batch
        self._company = Company(lambda windows: self._rows(windows, self.extractor.rows))

    @property
    def embedding_dim(self) -> int:
        """D of a row."""
        return self.extractor.embedding_dim

    @property
    def columns(self) -> Mapping[str, str]:
        """What its reader meets."""
        return self.reader.columns

    def about(self) -> dict[str, Any]:
        """What the store says of the model and where it ran; decides no number."""
        return self.extractor.about()

    def parameters(self) -> dict[str, Any]:
        """Everything that decides the numbers in a store."""
        return {**self.extractor.parameters(), **self.reader.parameters()}

    def run(self, jobs: Iterable[Job]) -> Generator[Result, None, None]:
        """One result per job, each as soon as it is done. Closing the iterator stops the workers.

        Raises whatever a worker raises that is not a fault of one sound file.
        """
        feed, feeding, stop = iter(jobs), threading.Lock(), threading.Event()
        results: queue.Queue[Result | BaseException | None] = queue.Queue(maxsize=4 * self.workers)

        def deliver(result: Result | BaseException | None) -> None:
            while not stop.is_set():
                with suppress(queue.Full):
                    results.put(result, timeout=0.2)
                    break

        def work() -> None:
            worker = _Worker(self)
            try:
                while not stop.is_set():
                    with feeding:
                        job = next(feed, None)
                    for result in worker.finish() if job is None else worker.add(job):
                        deliver(result)
                    if job is None:
                        break
            except BaseException as error:
                deliver(error)
            deliver(None)

        with one_thread_per_worker():
            threads = [threading.Thread(target=work, name=f"embed-{n}", daemon=True) for n in range(self.workers)]
            for thread in threads:
                thread.start()
            try:
                running = len(threads)
                while running:
                    result = results.get()
                    if isinstance(result, BaseException):
                        raise result
                    if result is None:
                        running -= 1
                    else:
                        yield result
            finally:
                stop.set()
                for thread in threads:
                    thread.join()

    def encode(self, batch: list[NDArray[Any]]) -> Array:
        """Rows (B, R, D) of prepared windows of one length."""
        missing = self._full(batch[0]) - len(batch)
        return self._rows([*batch, *[np.zeros_like(batch[0])] * missing], self.extractor.encode)[: len(batch)]

    def _full(self, samples: NDArray[Any]) -> int:
        """How many windows like this one a batch always has; 0 where it has as many as there are."""
        size = self.batch_samples // len(samples)
        return size if self._filled and self._company.places_are_alike(samples, size) else 0

    def _rows(self, batch: list[NDArray[Any]], encode: Callable[[Tensor], Tensor]) -> Array:
        rows: Array = encode(torch.from_numpy(np.stack(batch)).to(self.extractor.device)).cpu().numpy()
        return rows

    def mixes(self, samples: NDArray[Any]) -> bool:
        """Whether a window like this one may wait for those of other files. Asked of each window."""
        if self._filled:
            return self._full(samples) > 0
        return self.mix_files or self._company.is_harmless(samples, self.most_windows(len(samples), mixed=True))

    def most_windows(self, length: int, mixed: bool) -> int:
        """Of this many samples, in a batch of one file's or of several files' windows."""
        if self._filled and mixed:
            return self.batch_samples // length
        own = min(max(1, self.batch_samples // length), self._most)
        return max(own, min(self._mixed, self._mixed * self.batch_samples // length)) if mixed else own


@dataclass(eq=False)
class _Open:
    """A job whose windows are not all encoded yet."""

    job: Job
    met: dict[str, Any] = field(default_factory=dict)
    windows: list[tuple[float, float]] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    """(R, D) of each window."""
    prepared: int = 0
    """Samples that were encoded of each window."""
    error: MediaError | None = None
    read: bool = False

    @property
    def settled(self) -> bool:
        return self.read and (self.error is not None or len(self.rows) == len(self.windows))

    def result(self, sample_rate: int | None) -> Result:
        rows_WRD = self.rows.take() if self.error is None else np.empty(0, np.float32)
        if not np.isfinite(rows_WRD).all():
            offset_s = self.windows[int(np.argmin(np.isfinite(rows_WRD).all(axis=(1, 2))))][0]
            self.error = MediaError(self.job.path, "its embedding is not finite", offset_s)
        if self.error is not None:
            return Failed(self.job, self.error.cause, self.error.offset_s)
        start_s, end_s = row_times(np.array(self.windows), rows_WRD.shape[1], self.prepared, sample_rate)
        shift_s = self.job.start_s or 0.0
        return Embedded(
            job=self.job,
            start_s=start_s.ravel() + shift_s,
            end_s=end_s.ravel() + shift_s,
            embeddings=rows_WRD[:, : start_s.shape[1]].reshape(-1, rows_WRD.shape[2]),
            met=self.met,
        )


class _Worker:
    """One thread's windows, in one bucket per length."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._buckets: dict[int, list[tuple[_Open, NDArray[Any]]]] = {}
        self._mixed: set[int] = set()  # lengths whose buckets may wait for other files
        self._waiting = 0  # samples in all buckets
        self._open: list[_Open] = []

    def add(self, job: Job) -> list[Result]:
        """Read one job; gives the results of all that are done by then."""
        this = _Open(job)
        self._open.append(this)
        try:
            for window in self._engine.reader.windows(job.path, job.start_s, job.end_s, this.met):
                self._put(this, window)
        except MediaError as error:
            this.error = error
            self._discard(this)
        this.read = True
        for length in self._buckets.keys() - self._mixed:
            self._encode(length)
        return self._settled()

    def finish(self) -> list[Result]:
        """Encode what waits; gives the last results."""
        for length in list(self._buckets):
            self._encode(length)
        return self._settled()

    def _put(self, owner: _Open, window: Window) -> None:
        samples = self._engine.extractor.prepare(window.samples)
        owner.windows.append((window.start_s, window.end_s))
        owner.prepared = len(samples)
        bucket = self._buckets.setdefault(len(samples), [])
        bucket.append((owner, samples))
        self._waiting += len(samples)
        if mixed := self._engine.mixes(samples):
            self._mixed.add(len(samples))
        if len(bucket) >= self._engine.most_windows(len(samples), mixed):
            self._encode(len(samples))
        while self._waiting > self._engine.waiting_samples:
            self._encode(next(iter(self._buckets)))

    def _encode(self, length: int) -> None:
        bucket = self._buckets.pop(length)
        self._mixed.discard(length)
        self._waiting -= length * len(bucket)
        for (owner, _), rows in zip(bucket, self._engine.encode([samples for _, samples in bucket]), strict=True):
            owner.rows.append(rows)

    def _discard(self, owner: _Open) -> None:
        for length, bucket in list(self._buckets.items()):
            kept = [entry for entry in bucket if entry[0] is not owner]
            self._waiting -= length * (len(bucket) - len(kept))
            if kept:
                self._buckets[length] = kept
            else:
                del self._buckets[length]

    def _settled(self) -> list[Result]:
        done = [this for this in self._open if this.settled]
        self._open = [this for this in self._open if not this.settled]
        return [this.result(self._engine.reader.rate) for this in done]

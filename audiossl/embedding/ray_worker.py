"""What one worker process of a Ray cluster does: the local engine on one block of jobs at a time.

Jobs arrive and results leave as Arrow tables, a row for each. A block's results come in the order of its jobs, however
many threads made them: Ray does a block again whose worker died, and skips as many results as have left already.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from audiossl.bundle.baseline import Baseline
from audiossl.bundle.bundle import Bundle
from audiossl.bundle.load import bundle_of
from audiossl.embedding.jobs import Embedded, Failed, Job, Result
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.shares import differences
from audiossl.errors import AudiosslError
from audiossl.version import __version__

if TYPE_CHECKING:
    from audiossl.embedding.engine import Engine

JOBS = pa.schema(
    [
        ("index", pa.int64()),
        ("path", pa.binary()),
        ("url", pa.bool_()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
    ]
)
RESULTS = pa.schema(
    [
        ("index", pa.int64()),
        ("start_s", pa.list_(pa.float64())),
        ("end_s", pa.list_(pa.float64())),
        ("embeddings", pa.list_(pa.float32())),
        ("met", pa.string()),
        ("cause", pa.string()),
        ("offset_s", pa.float64()),
        ("checked", pa.string()),
    ]
)
"""`cause` is null for a job that is done. `met` is JSON, and so is `checked`, which the last row of a block may have: a
worker's name, and what it has `found` so far of bf16 (see `precision`)."""
_PART_BYTES = 4 * 2**20
"""Of embeddings that leave the worker together."""


class Load(NamedTuple):
    """What a worker is made of."""

    version: str
    """Of audiossl, on the machine that asks."""
    baseline: Baseline | None
    content: Any
    """Where there is no baseline: an object reference to the bytes of a bundle file."""
    sha256: str
    """Of these bytes."""
    identity: str
    """The bundle's own `sha256`."""
    options: EmbedOptions
    """Of the local engine in the worker."""
    parameters: dict[str, Any]
    """That this engine must have."""


class RayWorker:
    """Holds the model; called with blocks of jobs."""

    def __init__(self, load: Load) -> None:
        from threadpoolctl import threadpool_limits

        self._pinned = threadpool_limits(limits=1)  # BLAS and OpenMP; the engine pins torch
        self._name = uuid.uuid4().hex
        self._engine: Engine | Exception
        try:
            self._engine = _engine(load)
        except Exception as error:
            self._engine = error  # raised by the first call: here Ray would take it for a worker that died

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        """Results of a table of `JOBS`, in parts of bounded size.

        Raises:
            AudiosslError: this node would give other numbers than the machine that asks.
        """
        if isinstance(self._engine, Exception):
            raise self._engine
        jobs = list(read_jobs(block))
        part: list[Result] = []
        size = 0
        for result in in_order(jobs, self._engine.run(jobs)):
            if size >= _PART_BYTES:
                yield results_table(part)
                part, size = [], 0
            part.append(result)
            size += result.embeddings.nbytes if isinstance(result, Embedded) else 0
        yield results_table(part, self._checked(self._engine))

    def _checked(self, engine: Engine) -> str | None:
        found = engine.about().get("precision_check")
        return None if found is None else json.dumps({"worker": self._name, "found": found})


def _engine(load: Load) -> Engine:
    import ray

    from audiossl.embedding.engine import Engine

    node = f"the node {ray.util.get_node_ip_address()}"
    if load.version != __version__:
        raise AudiosslError(f"{node} has audiossl {__version__}, this machine {load.version}; install the same")
    engine = Engine(load.baseline or _bundle(load, ray.get(load.content)), load.options)
    if told := differences(engine.parameters(), load.parameters):
        raise AudiosslError(f"{node} would embed otherwise than this machine ({told}); install the same")
    return engine


def _bundle(load: Load, content: bytes) -> Bundle:
    if hashlib.sha256(content).hexdigest() != load.sha256:
        raise AudiosslError("the model arrived damaged at a node; run the same command again")
    bundle = bundle_of(content, Path("the model"))
    bundle.sha256 = load.identity
    return bundle


def jobs_table(jobs: Sequence[Job]) -> pa.Table:
    """Jobs as a table of `JOBS`; names of files as bytes, which is what they are."""
    rows = [{**vars(job), "path": os.fsencode(job.path), "url": isinstance(job.path, str)} for job in jobs]
    return pa.Table.from_pylist(rows, JOBS)


def read_jobs(table: pa.Table) -> Iterator[Job]:
    """The jobs of such a table."""
    for row in table.to_pylist():
        path = os.fsdecode(row["path"])
        yield Job(row["index"], path if row["url"] else Path(path), row["start_s"], row["end_s"])


def in_order(jobs: Iterable[Job], results: Iterable[Result]) -> Iterator[Result]:
    """The results in the order of `jobs`; those that come early wait."""
    early: dict[int, Result] = {}
    results = iter(results)
    for job in jobs:
        while job.index not in early:
            result = next(results)
            early[result.job.index] = result
        yield early.pop(job.index)


def results_table(results: Sequence[Result], checked: str | None = None) -> pa.Table:
    """Results, one at least, as a table of `RESULTS`."""
    rows = [_row(result) for result in results]
    rows[-1]["checked"] = checked
    return pa.Table.from_pylist(rows, RESULTS)


def _row(result: Result) -> dict[str, object]:
    row = {name: getattr(result, name, None) for name in RESULTS.names}
    row["index"] = result.job.index
    if isinstance(result, Embedded):
        row |= {"embeddings": result.embeddings.reshape(-1), "met": json.dumps(result.met)}
    return row


def read_results(table: pa.Table, waiting: dict[int, Job]) -> Iterator[Result]:
    """The results in such a table; takes their jobs out of `waiting`, which are those not answered yet by index."""
    for at in range(table.num_rows):
        row = {name: table.column(name)[at] for name in RESULTS.names[:-1]}
        job = waiting.pop(row.pop("index").as_py())
        if (cause := row.pop("cause").as_py()) is not None:
            yield Failed(job, cause, row["offset_s"].as_py())
            continue
        met = json.loads(row["met"].as_py())
        lists = {name: _copied(row.pop(name)) for name in ("start_s", "end_s", "embeddings")}
        lists["embeddings"] = lists["embeddings"].reshape(len(lists["start_s"]), -1)
        yield Embedded(job=job, met=met, **lists)


def read_checks(table: pa.Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """The workers that told what they had found so far, and that."""
    for text in table.column("checked").drop_null().to_pylist():
        told = json.loads(text)
        yield told["worker"], told["found"]


def _copied(cell: pa.ListScalar) -> Any:
    """A list's values, copied, so that the writer's pending rows hold nothing of Ray's object store."""
    return np.array(cell.values)

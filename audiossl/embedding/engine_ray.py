"""The engine for many machines: jobs stream through Ray Data to worker processes that run the local engine.

A worker is one process with the model: on CPUs one per core, each with one thread, so that a row is the same bit for
bit wherever it was made; where there are GPUs one per GPU, with its share of the cores to read files. The model goes
to them by content, the names of files in blocks, rows come back as Arrow tables, and one writer, on the machine that
asks, fills the store: shards, index, failures and how a run is continued know nothing of Ray.

A worker process or node that dies costs the blocks it had in hand: Ray starts another and does them again. A bug is
raised at once. Sound files must be where every node finds them under the same name; one that a node cannot open is a
failed file like any other.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from audiossl.bundle.baseline import Baseline, Model
from audiossl.bundle.save import bundle_bytes
from audiossl.devices import cores
from audiossl.embedding.engine import Engine
from audiossl.embedding.jobs import Job, Result
from audiossl.embedding.options import EmbedOptions
from audiossl.embedding.precision import worst
from audiossl.embedding.ray_cluster import first_line, import_ray, joined
from audiossl.embedding.ray_worker import Load, RayWorker, jobs_table, read_checks, read_results
from audiossl.errors import AudiosslError, UsageError
from audiossl.recipe.base import Auto
from audiossl.version import __version__

_BLOCK_JOBS = 64
"""At most: what a worker does at once, and what is lost with it."""
_BLOCKS_PER_WORKER = 16
"""At least, where there are jobs enough, so that all finish at about the same time."""
_WAVE_JOBS = 2**14
"""Per worker, whose names wait in memory; every such wave costs new workers."""
_RESULT_BYTES = 16 * 2**20
"""Of rows that a worker hands over at once."""
_RETRIES = 20
"""Of a block whose worker died, before the block is taken for the cause. A lost node uses up several of them until Ray
knows that it is lost; 3 are too few."""


@dataclass(frozen=True)
class Places:
    """What the cluster gives."""

    nodes: int
    workers: int
    device: str
    cpus: int
    """Of a worker; it reads files with as many threads."""
    gpus: int
    """Of a worker."""


def places(resources: Mapping[str, float], nodes: int, device: str, workers: int | Auto) -> Places:
    """The workers that there is room for.

    Args:
        resources: of the cluster, as Ray names them.
        nodes: how many there are.
        device: `auto`, `cpu` or `cuda`.
        workers: how many are wanted; one per GPU or core at most, and that many for `auto`.

    Raises:
        UsageError: the cluster has no such device, or the device is one that Ray does not give out by name.
    """
    cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--engine ray gives out the devices itself; instead of --device {device} write auto, cpu or cuda"
        )
    device = ("cuda" if gpus else "cpu") if device == "auto" else device
    room = gpus if device == "cuda" else cpus
    if not room:
        raise UsageError(f"the Ray cluster has no {device} to compute with; give another --device or --address")
    share = max(1, cpus // gpus) if device == "cuda" else 1
    return Places(nodes, room if workers == "auto" else min(workers, room), device, share, int(device == "cuda"))


@contextmanager
def ray_engine(model: Model, options: EmbedOptions) -> Iterator[RayEngine]:
    """The engine on the cluster of `options.address`, connected within the block.

    Raises:
        UsageError: Ray is not installed, no cluster answers at the address, or it has no such device.
        AudiosslError: Ray does not start on this machine.
    """
    ray = import_ray()
    with joined(ray, options.address, cores() if options.workers == "auto" else options.workers):
        nodes = sum(node["Alive"] for node in ray.nodes())
        device = "cpu" if isinstance(model, Baseline) and options.device == "auto" else options.device
        yield RayEngine(ray, model, options, places(ray.cluster_resources(), nodes, device, options.workers))


class RayEngine:
    """A model and options on a cluster that the process is connected to; satisfies `jobs.Extraction`."""

    def __init__(self, ray: Any, model: Model, options: EmbedOptions, places: Places) -> None:
        self._ray, self._places = ray, places
        self._checks: dict[str, dict[str, Any]] = {}  # by worker, of its first windows
        baseline, content = (model, b"") if isinstance(model, Baseline) else (None, bundle_bytes(model))
        told = options.model_copy(update={"device": places.device, "workers": places.cpus})
        if told.precision == "auto" and places.device == "cuda":
            precision = ray.get(ray.remote(num_gpus=1, max_retries=_RETRIES)(fast_precision).remote())
            told = told.model_copy(update={"precision": precision})
        self._local = Engine(model, told.model_copy(update={"device": "cpu"}))  # for what there is to say of it
        parameters = self._local.parameters()
        self._load = Load(
            version=__version__,
            baseline=baseline,
            content=ray.put(content),
            sha256=hashlib.sha256(content).hexdigest(),
            identity=model.sha256,
            options=told.model_copy(update={"precision": parameters["precision"]}),
            parameters=parameters,
        )

    @property
    def embedding_dim(self) -> int:
        """D of a row."""
        return self._local.embedding_dim

    @property
    def columns(self) -> Mapping[str, str]:
        """Those of the local engine."""
        return self._local.columns

    def about(self) -> dict[str, Any]:
        """What the store says of the model and where it ran."""
        ran = {"engine": "ray", "device": self._places.device, "nodes": self._places.nodes}
        told = {**self._local.about(), **ran, "workers": self._places.workers}
        checked = functools.reduce(worst, self._checks.values(), None)
        return told if checked is None else {**told, "precision_check": checked}

    def parameters(self) -> dict[str, Any]:
        """Those of the local engine: either goes on where the other stopped."""
        return self._local.parameters()

    def run(self, jobs: Iterable[Job]) -> Generator[Result, None, None]:
        """One result per job, block by block as they are done. Closing the iterator stops the workers.

        Raises:
            AudiosslError: the workers die over and over at the same files, or a node cannot take part.
            RayError: a bug in a worker, with its traceback.
        """
        rest = iter(jobs)
        while wave := list(itertools.islice(rest, _WAVE_JOBS * self._places.workers)):
            waiting = {job.index: job for job in wave}
            with _in_words(self._ray):
                for table in self._embed(wave):
                    self._checks.update(read_checks(table))
                    yield from read_results(table, waiting)
            assert not waiting, f"Ray lost {len(waiting)} jobs"

    def _embed(self, jobs: Sequence[Job]) -> Iterator[pa.Table]:
        data, workers = self._ray.data, self._places.workers
        size = min(_BLOCK_JOBS, math.ceil(len(jobs) / (_BLOCKS_PER_WORKER * workers)))
        dataset = data.from_arrow([jobs_table(jobs[at : at + size]) for at in range(0, len(jobs), size)])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")  # and has no successor yet
            dataset = dataset.map_batches(
                RayWorker,
                fn_constructor_args=(self._load,),
                batch_size=None,
                batch_format="pyarrow",
                # Nothing less than one may be left: a node may be lost, and its worker then waits for another's place.
                compute=data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
                num_cpus=self._places.cpus,
                num_gpus=self._places.gpus,
                max_restarts=-1,
                max_task_retries=_RETRIES,
            )
        dataset.context.enable_progress_bars = False
        dataset.context.raise_original_map_exception = True
        dataset.context.target_max_block_size = _RESULT_BYTES
        yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow")


def fast_precision() -> str:
    """What `auto` means on the GPU of a node."""
    import torch

    from audiossl.devices import multiplies_bf16

    return "bf16" if multiplies_bf16(torch.device("cuda")) else "32"


@contextmanager
def _in_words(ray: Any) -> Iterator[None]:
    """Within: what a user can mend is an `AudiosslError`; a bug keeps the worker's traceback in its text."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, AudiosslError):
            raise error.cause from error
        raise
    except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        if "creation task" in str(error):
            last = str(error).strip().splitlines()[-1]
            told = f"a node could not make a worker ({last}); install this audiossl there as here"
        else:
            told = (
                f"Ray's workers died over and over at the same files ({first_line(error)}): they may lack "
                "memory (fewer --workers or a smaller --batch-s), or one file ends whoever reads it (see which "
                "without --engine ray); what is embedded stays, and the same command goes on"
            )
        raise AudiosslError(told) from error

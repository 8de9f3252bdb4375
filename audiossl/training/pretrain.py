"""Pre-training from a recipe to an encoder bundle. The same call again goes on where the last one stopped."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from audiossl.audio.frontend import FrontEnd
from audiossl.bundle.bundle import Statistics
from audiossl.bundle.save import save_bundle
from audiossl.data.batches import Plan, centre_crops, for_rank, make_loader
from audiossl.data.decoded import DecodedStore, Failure, FileSource
from audiossl.data.items import Items
from audiossl.data.manifest import load_items
from audiossl.errors import TrainingDiverged, UsageError
from audiossl.files import write_json
from audiossl.methods.base import Method
from audiossl.methods.build import build_method
from audiossl.modality import modality_of
from audiossl.progress import Progress, Silent
from audiossl.recipe.auto import Facts, Resolved, resolve, total_steps
from audiossl.recipe.schema import Recipe
from audiossl.rng import key, numpy_stream
from audiossl.training.callbacks import Bar, Checkpointer, Monitor
from audiossl.training.checkpoint import load_checkpoint
from audiossl.training.clips import clip_reader, make_plan, measure_statistics, open_clips
from audiossl.training.hardware import device_kind, keep_freed_memory, multiplies_bf16
from audiossl.training.learner import Learner
from audiossl.training.monitors import Health
from audiossl.training.run import RunFolder


@dataclass(frozen=True)
class PretrainResult:
    """What a run came to."""

    bundle: Path | None
    """The encoder bundle; None when the run was interrupted or had nothing to save yet."""
    steps: int
    """Optimiser steps done in all."""
    total_steps: int
    wall_s: float
    """Seconds of this call."""
    health: Health | None
    """What the monitors saw last in this call."""
    failures: list[Failure] = field(default_factory=list)
    """Clips that could not be read and took no part."""
    stopped_by: int | None = None
    """The signal that ended this call early."""


@dataclass(frozen=True)
class Prepared:
    """A run ready to start: data open, "auto" values resolved."""

    recipe: Recipe
    resolved: list[Resolved]
    items: Items
    frontend: FrontEnd
    source: DecodedStore | FileSource
    plan: Plan
    steps: int


def resolve_recipe(recipe: Recipe, items: Items) -> tuple[Recipe, list[Resolved]]:
    """`recipe` with its "auto" values chosen for this data and this machine, and what was chosen and why."""
    rate = recipe.frontend.sample_rate
    reader_facts = modality_of(recipe)
    device = device_kind(recipe.training.accelerator)
    return resolve(
        recipe,
        Facts(
            items=len(items),
            decoded_bytes=_decoded_bytes(items, rate, reader_facts.probe),
            cores=os.cpu_count() or 1,
            device=device,
            bf16=multiplies_bf16(device),
        ),
    )


def find_items(recipe: Recipe) -> Items:
    """The clips that `recipe` trains on (raises `DataError`)."""
    root = None if recipe.data.root is None else Path(recipe.data.root)
    items = load_items(recipe.data.manifest, root)
    return items if recipe.data.splits is None else items.where(splits=recipe.data.splits)


def prepare(recipe: Recipe, progress: Progress) -> Prepared:
    """Find the data, resolve "auto", decode what is to be decoded, plan the batches.

    Raises:
        DataError: the data cannot be found, read, or fill a batch.
    """
    items = find_items(recipe)
    recipe, resolved = resolve_recipe(recipe, items)
    modality = modality_of(recipe)
    frontend = modality.build_frontend(recipe.frontend)
    source = open_clips(clip_reader(items, recipe, modality, frontend), recipe, progress)
    plan = make_plan(recipe, source, frontend, views=2)
    return Prepared(recipe, resolved, items, frontend, source, plan, total_steps(recipe, len(plan.indices)))


def pretrain(
    recipe: Recipe,
    out: Path,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> PretrainResult:
    """Train an encoder as `recipe` says, in the run folder `out`.

    The same call again goes on from the last checkpoint, and the weights are bit for bit those of a run that was
    never interrupted, on one device.

    Args:
        recipe: from `audiossl.recipe.load.load_recipe`.
        out: the run's folder; made if missing.
        fresh: throw away what `out` holds of an earlier run.
        progress: told where the work stands.
        say: given plain sentences for the user.

    Raises:
        DataError: the data cannot be used.
        UsageError: `out` holds a run of another recipe or other data, or another process is at work in it.
        TrainingDiverged: the loss was not finite; the last checkpoint is whole.
    """
    started = time.monotonic()
    progress = progress or Silent()
    folder = RunFolder(out)
    prepared = prepare(recipe, progress)
    for choice in prepared.resolved:
        say(f"{choice.field}: {choice.value} ({choice.why})")
    if fresh and (out / "run.json").is_file():
        shutil.rmtree(out)
    folder.begin(prepared.recipe, prepared.items.fingerprint)
    failures = list(getattr(prepared.source, "failures", []))
    listing = folder.list_failures(failures)
    if listing:
        say(
            f"{len(failures)} of {len(prepared.items)} clips cannot be read and take no part; they are listed in {listing}"
        )
    try:
        with FileLock(out / "lock", timeout=0):
            return _train(prepared, folder, progress, say, started, failures)
    except Timeout:
        raise UsageError(
            f"{out}: another process is training in this folder; wait for it or choose another --out"
        ) from None


def _train(
    prepared: Prepared,
    folder: RunFolder,
    progress: Progress,
    say: Callable[[str], None],
    started: float,
    failures: list[Failure],
) -> PretrainResult:
    recipe, steps = prepared.recipe, prepared.steps
    state = load_checkpoint(folder.checkpoints)
    done = 0 if state is None else int(state["step"])
    if done >= steps and folder.bundle.is_file():
        say(f"{folder.root}: this run is done ({steps} steps); its encoder is {folder.bundle}")
        return PretrainResult(folder.bundle, steps, steps, time.monotonic() - started, None, failures)
    torch.set_num_threads(int(recipe.training.threads))
    keep_freed_memory()
    statistics = _statistics(prepared, state)
    learner = make_learner(prepared, statistics, done)
    if state is not None:
        say(f"{folder.root}: going on from step {done} of {steps}")
        learner.method.load_state_dict(state["method"])
        learner.views.load_state_dict(state["views"])
        learner.restored_optimiser = state["optimiser"]
    checkpointer = Checkpointer(
        folder.checkpoints, recipe.training.checkpoint_every_s, recipe.training.checkpoint_every_steps
    )
    monitor = make_monitor(prepared, statistics, say)
    if done < steps:
        _fit(prepared, learner, folder, [checkpointer, monitor, Bar(progress, _clips_per_step(recipe))], done)
    health = monitor.history[-1] if monitor.history else None
    wall_s = time.monotonic() - started
    if learner.finished_steps < steps:
        return PretrainResult(
            None, learner.finished_steps, steps, wall_s, health, failures, stopped_by=checkpointer.stopped_by
        )
    summary = _summary(prepared, steps, wall_s, health)
    save_bundle(
        folder.bundle,
        encoder=learner.method.encoder,
        recipe=recipe,
        statistics=statistics,
        training=summary,
        data={
            "items": len(prepared.items),
            "used": len(prepared.plan.indices),
            "fingerprint": prepared.items.fingerprint,
        },
    )
    write_json(folder.root / "summary.json", summary)
    return PretrainResult(folder.bundle, steps, steps, wall_s, health, failures)


def make_learner(prepared: Prepared, statistics: Statistics, first_step: int = 0) -> Learner:
    """The learner with fresh weights, a pure function of the recipe's seed."""
    recipe, modality = prepared.recipe, modality_of(prepared.recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(recipe.seed, "weights"))
        encoder = modality.build_encoder(recipe.encoder, recipe.frontend.n_mels)
        method: Method[Any] = build_method(recipe.method, encoder, encoder.embedding_dim, len(prepared.plan.indices))
    views = modality.build_views(recipe, statistics)
    method.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Learner(
        recipe,
        method,
        prepared.frontend,
        views,
        steps=prepared.steps,
        batches_per_epoch=prepared.plan.batches_per_epoch,
        first_step=first_step,
    )


def make_monitor(prepared: Prepared, statistics: Statistics, say: Callable[[str], None]) -> Monitor:
    """The monitor over a drawn set of clips; their labels, if any, are seen by it alone."""
    recipe, plan = prepared.recipe, prepared.plan
    chosen = plan.indices
    if len(chosen) > recipe.monitors.items:
        draw = numpy_stream(recipe.seed, "monitor")
        chosen = draw.permutation(chosen)[: recipe.monitors.items]
    labels, groups = probe_targets(prepared.items, chosen.tolist())
    return Monitor(
        centre_crops(prepared.source, chosen, plan),
        labels,
        groups,
        lambda crops: (prepared.frontend(crops, centre=False) - statistics.mean) / statistics.std,
        warn=say,
    )


def probe_targets(items: Items, indices: list[int]) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Class numbers (None without labels) and group numbers of some items; folds are groups where there are any."""
    chosen = items.take(indices)
    names = chosen.label_list()
    classes = {name: number for number, name in enumerate(sorted({name for name in names if name is not None}))}
    labels = torch.tensor([-1 if name is None else classes[name] for name in names]) if len(classes) > 1 else None
    folds = chosen.column("fold")
    keys = folds if all(fold is not None for fold in folds) and len(set(folds)) > 1 else chosen.groups()
    numbers: dict[Any, int] = {}
    groups = [numbers.setdefault((place if one is None else one), len(numbers)) for place, one in enumerate(keys)]
    return labels, torch.tensor(groups)


def _fit(prepared: Prepared, learner: Learner, folder: RunFolder, callbacks: list[Callback], done: int) -> None:
    training = prepared.recipe.training
    assert prepared.recipe.data.workers != "auto"
    trainer = Trainer(
        accelerator={"cuda": "gpu"}.get(training.accelerator, training.accelerator),
        devices=training.devices,
        precision={"32": "32-true", "bf16": "bf16-mixed"}[training.precision],
        max_steps=prepared.steps - done,
        max_epochs=-1,
        accumulate_grad_batches=training.accumulate,
        gradient_clip_val=training.clip_norm,
        callbacks=callbacks,
        logger=[
            CSVLogger(folder.logs, name="", version=f"from_step_{done}"),
            TensorBoardLogger(folder.logs, name="", version="tensorboard"),
        ],
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        barebones=False,
        log_every_n_steps=1,
    )
    loader = make_loader(
        prepared.source,
        for_rank(prepared.plan, trainer.global_rank, trainer.world_size),
        done * training.accumulate,
        prepared.steps * training.accumulate,
        workers=prepared.recipe.data.workers,
        pin_memory=trainer.accelerator.__class__.__name__ == "CUDAAccelerator",
    )
    trainer.fit(learner, loader)
    learner.finished_steps = done + int(trainer.global_step)


def _statistics(prepared: Prepared, state: dict[str, Any] | None) -> Statistics:
    return measure_statistics(prepared.source, prepared.plan.indices, prepared.recipe, prepared.frontend)


def _summary(prepared: Prepared, steps: int, wall_s: float, health: Health | None) -> dict[str, Any]:
    return {
        "steps": steps,
        "epochs": steps * prepared.recipe.training.accumulate / prepared.plan.batches_per_epoch,
        "wall_s": round(wall_s, 1),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "monitors": None if health is None else health.as_metrics(),
    }


def _clips_per_step(recipe: Recipe) -> int:
    return recipe.training.batch_size * recipe.training.accumulate


def _decoded_bytes(items: Items, sample_rate: int, probe: Callable[[Path], Any]) -> int:
    """About how many bytes the decoded data take, from the headers of at most 200 files spread over the table."""
    paths = items.paths()
    sample = paths[:: max(1, len(paths) // 200)]
    seconds = [duration for duration in (_duration(probe, path) for path in sample) if duration]
    mean = sum(seconds) / len(seconds) if seconds else 0.0
    return round(2 * sample_rate * mean * len(paths))


def _duration(probe: Callable[[Path], Any], path: Path) -> float:
    from audiossl.errors import AudioError

    try:
        return float(probe(path).duration_s)
    except AudioError:
        return 0.0


__all__ = ["PretrainResult", "Prepared", "TrainingDiverged", "make_learner", "prepare", "pretrain"]

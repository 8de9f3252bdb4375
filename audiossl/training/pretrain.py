"""Pre-training from a recipe to an encoder bundle. The same call again goes on where the last one stopped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from audiossl.bundle.bundle import Statistics
from audiossl.bundle.save import save_bundle
from audiossl.bundle.text import text_side
from audiossl.data.batches import for_rank, make_loader
from audiossl.data.decoded import Failure
from audiossl.devices import keep_freed_memory
from audiossl.errors import TrainingDiverged, UsageError
from audiossl.files import write_json
from audiossl.progress import Progress, Silent
from audiossl.recipe.schema import Recipe
from audiossl.training.callbacks import Bar, Checkpointer
from audiossl.training.checkpoint import load_checkpoint
from audiossl.training.clips import measure_statistics
from audiossl.training.learner import Learner
from audiossl.training.monitors import Health
from audiossl.training.prepare import Prepared, make_learner, make_monitor, prepare
from audiossl.training.run import RunFolder

Say = Callable[[str], None]


@dataclass(frozen=True)
class PretrainResult:
    """What a run came to."""

    bundle: Path | None
    """The encoder bundle; None when the run was interrupted before its end."""
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


def pretrain(
    recipe: Recipe,
    out: Path,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
    say: Say = lambda text: None,
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
        UsageError: `out` holds a run of another recipe or other data, another process is at work in it, or several
            devices are asked for.
        TrainingDiverged: the loss was not finite; the last checkpoint is whole.
    """
    started = time.monotonic()
    if recipe.training.devices > 1:
        raise UsageError("training.devices: a run uses one device so far; write 1")
    progress = progress or Silent()
    folder = RunFolder(out)
    folder.refuse_other_things()
    prepared = prepare(recipe, progress)
    for choice in prepared.resolved:
        value = f"{choice.value:.4g}" if isinstance(choice.value, float) else choice.value
        say(f"{choice.field}: {value} ({choice.why})")
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out.with_name(f".{out.name}.lock"), timeout=0):
            if fresh:
                shutil.rmtree(out)
            folder.begin(prepared.recipe, prepared.fingerprint)
            result = _train(prepared, folder, progress, say)
    except Timeout:
        raise UsageError(f"{out}: another process is training here; wait for it or choose another --out") from None
    listing = folder.list_failures(result.failures)
    if listing:
        count = f"{len(result.failures)} of {len(prepared.items)} clips"
        say(f"{count} could not be read and took no part; they are listed in {listing}")
    return replace(result, wall_s=time.monotonic() - started)


def _train(prepared: Prepared, folder: RunFolder, progress: Progress, say: Say) -> PretrainResult:
    recipe, steps = prepared.recipe, prepared.steps
    state = load_checkpoint(folder.checkpoints)
    done = 0 if state is None else int(state["step"])
    result = PretrainResult(None, done, steps, 0.0, None, list(prepared.source.failures))
    if done >= steps and folder.bundle.is_file():
        say(f"{folder.root}: this run is done ({steps} steps)")
        return replace(result, bundle=folder.bundle)
    torch.set_num_threads(int(recipe.training.threads))
    keep_freed_memory()
    if state is None:
        statistics = measure_statistics(prepared.source, prepared.plan.indices, recipe, prepared.frontend)
    else:
        statistics = Statistics(**state["statistics"])
        say(f"{folder.root}: going on from step {done} of {steps}")
    learner = make_learner(prepared, statistics, done)
    if state is not None:
        learner.restore(state)
    checkpointer = Checkpointer(folder.checkpoints, recipe.training, {"statistics": asdict(statistics)})
    monitor = make_monitor(prepared, say)
    if done < steps:
        bar = Bar(progress, recipe.training.batch_size * recipe.training.accumulate)
        _fit(prepared, learner, folder, [checkpointer, monitor, bar], done)
    late = [Failure(clip, str(prepared.items.paths()[clip]), cause) for clip, cause in learner.failures.items()]
    result = replace(
        result,
        steps=learner.finished_steps,
        health=monitor.history[-1] if monitor.history else None,
        failures=result.failures + late,
        stopped_by=checkpointer.stopped_by,
    )
    if learner.finished_steps < steps:
        return result
    return replace(result, bundle=_publish(prepared, folder, learner, statistics, result.health))


def _fit(prepared: Prepared, learner: Learner, folder: RunFolder, callbacks: list[Callback], done: int) -> None:
    training = prepared.recipe.training
    assert prepared.recipe.data.workers != "auto"
    trainer = Trainer(
        accelerator={"cuda": "gpu"}.get(training.accelerator, training.accelerator),
        devices=training.devices,
        precision="bf16-mixed" if training.precision == "bf16" else "32-true",
        max_steps=prepared.steps - done,
        max_epochs=-1,
        accumulate_grad_batches=training.accumulate,
        gradient_clip_val=training.clip_norm,
        callbacks=callbacks,
        logger=[
            CSVLogger(folder.logs, name="", version=folder.next_part()),
            TensorBoardLogger(folder.logs, name="", version="tensorboard"),
        ],
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    loader = make_loader(
        prepared.source,
        for_rank(prepared.plan, trainer.global_rank, trainer.world_size),
        done * training.accumulate,
        prepared.steps * training.accumulate,
        texts=prepared.texts,
        workers=prepared.recipe.data.workers,
        pin_memory=training.accelerator == "cuda",
    )
    try:
        trainer.fit(learner, loader)
    except TrainingDiverged as error:
        paths = prepared.items.paths()
        clips = [str(paths[clip]) for clip in error.clips]
        write_json(folder.root / "diverged.json", {"step": error.step, "loss": error.loss, "clips": clips})
        raise
    learner.finished_steps = done + int(trainer.global_step)


def _publish(
    prepared: Prepared, folder: RunFolder, learner: Learner, statistics: Statistics, health: Health | None
) -> Path:
    summary: dict[str, Any] = {
        "steps": prepared.steps,
        "epochs": prepared.steps * prepared.recipe.training.accumulate / prepared.plan.batches_per_epoch,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "monitors": None if health is None else health.as_metrics(),
    }
    items = prepared.items
    data = {"items": len(items), "used": len(prepared.plan.indices), "fingerprint": prepared.fingerprint}
    save_bundle(
        folder.bundle,
        encoder=learner.method.encoder,
        recipe=prepared.recipe,
        statistics=statistics,
        text=text_side(learner.method, prepared.recipe),
        training=summary,
        data=data,
    )
    return folder.bundle

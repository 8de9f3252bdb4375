"""What happens beside the updates: checkpoints, the bar, the monitors. None of it changes the weights."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from audiossl.progress import Progress
from audiossl.recipe.training import TrainingConfig
from audiossl.training.checkpoint import save_checkpoint
from audiossl.training.learner import Learner, evaluating
from audiossl.training.monitors import Health, best, measure, warning
from audiossl.version import __version__


def training_state(learner: Learner, step: int) -> dict[str, Any]:
    """Everything a resumed run needs, as tensors and plain JSON types."""
    return {
        "version": __version__,
        "step": step,
        "recipe": learner.recipe.model_dump_json(),
        "method": learner.method.state_dict(),
        "views": learner.views.state_dict(),
        "optimiser": learner.optimizers(use_pl_optimizer=False).state_dict(),  # type: ignore[union-attr]
        "best": None if learner.best is None else asdict(learner.best),
    }


class OnSignal(Callback):
    """Notes SIGINT or SIGTERM while training runs: `stopped_by` holds the signal. A second signal stops at once."""

    stopped_by: int | None = None
    _previous: dict[int, Any]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember who listens for signals, before the trainer does."""
        self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for signals, in place of the trainer's own handlers."""
        try:
            for number in self._previous:
                signal.signal(number, self._stop)
        except ValueError:  # not the main thread: whoever runs us there handles signals
            self._previous = {}

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._give_back()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None:
            raise KeyboardInterrupt
        self.stopped_by = number


class Checkpointer(OnSignal):
    """Saves every so many seconds or steps, at the end, and when the process is told to stop.

    SIGINT or SIGTERM: the step is finished, a checkpoint written, and training ends.

    Args:
        folder: where the checkpoints go.
        config: how often.
        constants: plain values that every checkpoint carries.
    """

    def __init__(self, folder: Path, config: TrainingConfig, constants: dict[str, Any]) -> None:
        self._folder, self._config, self._constants = folder, config, constants
        self._saved_at = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for signals, and start the clock."""
        super().on_train_start(trainer, pl_module)
        self._saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time."""
        assert isinstance(pl_module, Learner)
        step = pl_module.step
        if (batch.step + 1) % trainer.accumulate_grad_batches:
            return  # between updates BatchNorm has already moved: not a state to resume from
        every_steps = self._config.checkpoint_every_steps
        waited_s = time.monotonic() - self._saved_at
        due = step % every_steps == 0 if every_steps else waited_s >= self._config.checkpoint_every_s
        if due or self.stopped_by is not None or step == pl_module.steps:
            if trainer.is_global_zero:
                save_checkpoint(self._folder, {**self._constants, **training_state(pl_module, step)})
            self._saved_at = time.monotonic()
        if self.stopped_by is not None:
            trainer.should_stop = True


class Bar(Callback):
    """Tells the progress of training: steps, clips per second, loss."""

    def __init__(self, progress: Progress, clips_per_step: int) -> None:
        self._progress, self._clips = progress, clips_per_step
        self._started, self._done = 0.0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar where an earlier run left off."""
        assert isinstance(pl_module, Learner)
        self._progress.start("pretraining", pl_module.steps, "steps", done=pl_module.first_step)
        self._started, self._done = time.monotonic(), pl_module.first_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance, and log the numbers of this step."""
        assert isinstance(pl_module, Learner)
        moved = pl_module.step - self._done
        self._done = pl_module.step
        if not moved:
            return
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        steps = pl_module.step - pl_module.first_step
        rate = steps * self._clips / max(1e-9, time.monotonic() - self._started)
        parts = {f"loss/{name}": float(value) for name, value in outputs.items() if name != "loss"}
        facts = {"loss": loss, **parts, "clips_per_s": rate}
        self._progress.advance(moved, loss=round(loss, 4), clips_per_s=round(rate, 1))
        if pl_module.step % 10 == 0 or pl_module.step in (1, pl_module.steps):
            metrics = {**facts, "lr": trainer.optimizers[0].param_groups[0]["lr"], "epoch": pl_module.at.epoch}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=pl_module.step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._progress.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._progress.close()


class Monitor(Callback):
    """Embeds some clips now and then, and says in plain words when the embedding looks collapsed.

    Args:
        crops_NS: one crop per watched clip.
        labels_N: class numbers, -1 where unlabelled; None when no item has a label.
        groups_N: clips of one group are never each other's neighbours.
    """

    def __init__(
        self,
        crops_NS: Tensor,
        labels_N: Tensor | None,
        groups_N: Tensor,
        warn: Callable[[str], None] = lambda text: warnings.warn(text, UserWarning, stacklevel=2),
    ) -> None:
        self._crops, self._labels, self._groups = crops_NS, labels_N, groups_N
        self._warn = warn
        self.history: list[Health] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the untrained network, with which all that follows is compared."""
        assert isinstance(pl_module, Learner)
        if pl_module.step == 0:
            pl_module.best = self.look(pl_module)
            self._log(trainer, pl_module.best)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure at whole multiples of `monitors.every_epochs`, and at the end."""
        assert isinstance(pl_module, Learner)
        config = pl_module.recipe.monitors
        every = max(1, round(config.every_epochs * pl_module.batches_per_epoch / pl_module.recipe.training.accumulate))
        step = pl_module.step
        if (batch.step + 1) % trainer.accumulate_grad_batches or not (step % every == 0 or step == pl_module.steps):
            return
        health = self.look(pl_module)
        self.history.append(health)
        self._log(trainer, health)
        sentence = warning(health, pl_module.best, config)
        pl_module.best = best(pl_module.best, health)
        if sentence:
            self._warn(sentence)

    def _log(self, trainer: Trainer, health: Health) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(health.as_metrics(), step=health.step)

    @torch.no_grad()
    def look(self, learner: Learner) -> Health:
        """The health of the encoder now; training mode and random numbers are as before."""
        method = learner.method
        embeddings, projections = [], []
        head = getattr(method, "head", None)
        with evaluating(method):
            for start in range(0, len(self._crops), 64):
                crops = self._crops[start : start + 64]
                spectrogram = learner.normalise(crops.to(learner.device)).contiguous(memory_format=torch.channels_last)
                with learner.forward_context():
                    embedding = method.encoder(spectrogram)
                    if head is not None:
                        projections.append(head(embedding).float().cpu())
                embeddings.append(embedding.float().cpu())
        projected = torch.cat(projections) if projections else None
        k = learner.recipe.monitors.k
        return measure(learner.step, torch.cat(embeddings), projected, self._labels, self._groups, k)

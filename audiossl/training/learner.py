"""The one LightningModule: crops in, views and a loss out, whatever the method and the modality.

Everything random is a function of (seed, step, rank): crops come drawn, views draw from their own stream, and torch's
global generator (dropout) is set anew before every batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from audiossl.audio.views.base import Draw
from audiossl.data.batches import Batch
from audiossl.errors import DataError, TrainingDiverged
from audiossl.methods.base import At, Method
from audiossl.recipe.schema import Recipe
from audiossl.rng import key, torch_stream
from audiossl.training.gather import gather_rows
from audiossl.training.optim import build_optimiser, lr_factor, set_lr


class Learner(LightningModule):
    """A method in training.

    Args:
        recipe: resolved; nothing "auto" that matters here.
        method: encoder, heads and state.
        frontend: waveforms (B, S) to spectrograms (B, 1, F, T).
        views: `.waveform(x_BS, draw)` and `.spectrogram(x_BCFT, draw)`.
        steps: optimiser steps of the whole run.
        batches_per_epoch: micro-batches per pass over the data.
        first_step: optimiser steps done by earlier, interrupted runs.
    """

    def __init__(
        self,
        recipe: Recipe,
        method: Method[Any],
        frontend: nn.Module,
        views: nn.Module,
        *,
        steps: int,
        batches_per_epoch: int,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self.recipe, self.method, self.frontend, self.views = recipe, method, frontend, views
        self.steps, self.batches_per_epoch, self.first_step = steps, batches_per_epoch, first_step
        self.method.gather = gather_rows
        self._optimiser_state: dict[str, Any] | None = None
        self.failures: dict[int, str] = {}
        """Clips that could not be read when their turn came, and why."""
        self.finished_steps = first_step
        """Optimiser steps done when `Trainer.fit` returned."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state; the optimiser's part is loaded when the optimiser is made."""
        self.method.load_state_dict(state["method"])
        self.views.load_state_dict(state["views"])
        self._optimiser_state = state["optimiser"]

    @property
    def step(self) -> int:
        """Optimiser steps done since the very beginning."""
        return self.first_step + int(self.trainer.global_step)

    @property
    def at(self) -> At:
        """Where training stands."""
        return At(self.step, self.steps, self.step * self.recipe.training.accumulate / self.batches_per_epoch)

    def configure_optimizers(self) -> Optimizer:
        """The recipe's optimiser; its learning rate is set before every step."""
        optimiser = build_optimiser(self.recipe, self.method)
        if self._optimiser_state is not None:
            optimiser.load_state_dict(self._optimiser_state)
        return optimiser

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the crops; the rest of a batch stays where it is."""
        return replace(batch, wave=batch.wave.to(device, non_blocking=True), index=batch.index.to(device))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout for this batch, set the learning rate, and announce a new epoch to the method."""
        torch.manual_seed(key(self.recipe.seed, "dropout", batch.step, self.global_rank))
        per_epoch = self.batches_per_epoch / self.recipe.training.accumulate
        factor = lr_factor(self.recipe, self.step, self.steps, per_epoch)
        assert self.recipe.optimiser.lr != "auto"
        set_lr(self._optimiser(), self.recipe.optimiser.lr * factor)
        if batch.step % self.batches_per_epoch == 0:
            self.method.before_epoch(self.at)

    @torch.no_grad()
    def make_views(self, batch: Batch) -> list[Tensor]:
        """Crops (V * N, S) to V spectrogram batches (N, 1, F, T)."""
        count = self.method.views.value
        draw = Draw(torch_stream(self.device, self.recipe.seed, "views", batch.step, self.global_rank), views=count)
        with torch.autocast(self.device.type, enabled=False):
            wave = self.views.waveform(batch.wave, draw)  # type: ignore[operator]
            spectrogram: Tensor = self.views.spectrogram(self.frontend(wave, centre=False), draw)  # type: ignore[operator]
        return [view.contiguous(memory_format=torch.channels_last) for view in spectrogram.chunk(count)]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch.

        Raises:
            TrainingDiverged: the loss is not finite; the weights are as they were before this batch.
            DataError: hardly any clip of the batch could be read.
        """
        self.failures.update(batch.failures)
        if len(batch.index) < 2:
            raise DataError(
                f"step {self.step}: of a whole batch only {len(batch.index)} clips could be read; "
                "`audiossl data check` lists why"
            )
        losses = self.method.loss(self.make_views(batch), batch.index, self.at)
        loss = losses["loss"]
        if not torch.isfinite(loss):
            raise TrainingDiverged(self.step, str(loss.item()), batch.index.tolist())
        return loss

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Any = None,
    ) -> None:
        """The update, then what the method does after each update (EMA)."""
        optimizer.step(closure=optimizer_closure)
        self.method.after_step(self.at)

    def _optimiser(self) -> Optimizer:
        optimiser = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimiser, Optimizer)
        return optimiser

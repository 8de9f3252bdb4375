"""The one LightningModule: crops in, views and a loss out, whatever the method and the modality.

Everything random is a function of (seed, step, rank): crops come drawn, views draw from their own stream, and torch's
global generator (dropout) is set anew before every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from audiossl.data.batches import Batch
from audiossl.errors import DataError, TrainingDiverged
from audiossl.methods.base import At, Method
from audiossl.recipe.schema import Recipe
from audiossl.rng import key, torch_stream
from audiossl.training.gather import gather_rows
from audiossl.training.monitors import Health
from audiossl.training.optim import build_optimiser, lr_factor, set_lr
from audiossl.views.base import Draw, Views


class Learner(LightningModule):
    """A method in training.

    Args:
        recipe: resolved; nothing "auto" that matters here.
        method: encoder, heads and state.
        frontend: waveforms (B, S) to spectrograms (B, 1, F, T).
        views: what is done to a batch before and after the front end.
        steps: optimiser steps of the whole run.
        batches_per_epoch: micro-batches per pass over the data.
        first_step: optimiser steps done by earlier, interrupted runs.
        normalise: crops (B, S) to normalised spectrograms, as the bundle will do it.
        middle_crops: the middle crop of every readable clip, in parts: (B, S) and the clips' positions.
    """

    def __init__(
        self,
        recipe: Recipe,
        method: Method[Any],
        frontend: nn.Module,
        views: Views,
        *,
        steps: int,
        batches_per_epoch: int,
        first_step: int = 0,
        normalise: Callable[[Tensor], Tensor],
        middle_crops: Callable[[], Iterable[tuple[Tensor, list[int]]]],
    ) -> None:
        super().__init__()
        self.recipe, self.method, self.frontend, self.views = recipe, method, frontend, views
        self.steps, self.batches_per_epoch, self.first_step = steps, batches_per_epoch, first_step
        self.normalise, self.middle_crops = normalise, middle_crops
        for part in self.method.modules():
            if isinstance(part, Method):
                part.gather = gather_rows
        self._optimiser_state: dict[str, Any] | None = None
        self.failures: dict[int, str] = {}
        """Clips that could not be read when their turn came, and why."""
        self.best: Health | None = None
        """The largest of each measure that the monitor has seen, from before the first step on."""
        self.finished_steps = first_step
        """Optimiser steps done when `Trainer.fit` returned."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state; the optimiser's part is loaded when the optimiser is made."""
        self.method.load_state_dict(state["method"])
        self.views.load_state_dict(state["views"])
        self._optimiser_state = state["optimiser"]
        self.best = None if state.get("best") is None else Health(**state["best"])

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
        optimiser = build_optimiser(self.recipe, self.method, self.method.rates())
        if self._optimiser_state is not None:
            optimiser.load_state_dict(self._optimiser_state)
        return optimiser

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the crops; the rest of a batch stays where it is."""
        text = None if batch.text is None else batch.text.to(device)
        return replace(batch, wave=batch.wave.to(device, non_blocking=True), index=batch.index.to(device), text=text)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout for this batch, set the learning rate, and announce a new epoch to the method."""
        torch.manual_seed(key(self.recipe.seed, "dropout", batch.step, self.global_rank))
        per_epoch = self.batches_per_epoch / self.recipe.training.accumulate
        factor = lr_factor(self.recipe, self.step, self.steps, per_epoch)
        assert self.recipe.optimiser.lr != "auto"
        set_lr(self._optimiser(), self.recipe.optimiser.lr, factor)
        if batch.step % self.batches_per_epoch == 0:
            self.method.before_epoch(self.at, self.embed_all)

    @torch.no_grad()
    def make_views(self, batch: Batch) -> list[Tensor]:
        """Crops (V * N, S) to what the method's `ViewPlan` asks for."""
        plan, n = self.method.plan, len(batch.index)
        seen = (plan.views + plan.short) * n
        generator = torch_stream(self.device, self.recipe.seed, "views", batch.step, self.global_rank)
        draw = Draw(generator, views=plan.views + plan.short)
        with torch.autocast(self.device.type, enabled=False):
            wave = self.views.before_frontend(batch.wave, replace(draw, views=plan.crops))
            pictures = self.frontend(wave[:seen], centre=False)
            views = self.views.after_frontend(pictures, draw, plan.short, plan.short_share)
        views = [view.contiguous(memory_format=torch.channels_last) for view in views]
        views += [part[:, None, None] for part in torch.split(wave[seen:], n)] if plan.waveforms else []
        if plan.text:
            assert batch.text is not None, "a paired recipe on unpaired data is refused before training"
            views.append(batch.text)
        return views

    def forward_context(self) -> AbstractContextManager[None]:
        """The precision in which the trainer runs the forward pass."""
        return self.trainer.precision_plugin.forward_context()

    @torch.no_grad()
    def embed_all(self, f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """`methods.base.Embed`: f of the middle crop of every readable clip."""
        values, index = [], []
        with evaluating(self.method):
            for crops, kept in self.middle_crops():
                spectrogram = self.normalise(crops.to(self.device)).contiguous(memory_format=torch.channels_last)
                with self.forward_context():
                    values.append(f(spectrogram).float())
                index += kept
        return torch.cat(values), torch.tensor(index, device=self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss of one batch, and what else the method wants logged.

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
        return {"loss": loss} | {name: value.detach() for name, value in losses.items() if name != "loss"}

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


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """`module` in evaluation mode meanwhile; afterwards every part of it is in the mode it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode

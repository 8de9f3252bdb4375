"""An encoder and a linear head in supervised training, as a LightningModule.

Letters: B crops, S samples, N items, K classes, D embedding.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from audiossl import rng
from audiossl.bundle.bundle import Statistics
from audiossl.data.batches import Batch
from audiossl.devices import multiplies_bf16
from audiossl.encoders.base import Encoder
from audiossl.errors import AudiosslError
from audiossl.methods.base import Rate
from audiossl.recipe.schema import Recipe
from audiossl.training.learner import evaluating
from audiossl.training.optim import build_optimiser, lr_factor, set_lr


class Classifier(LightningModule):
    """A linear layer on the embedding, trained together with the encoder: BatchNorm counts, dropout drops.

    Args:
        encoder: is trained in place.
        frontend: waveforms (B, S) to spectrograms (B, 1, F, T).
        statistics: the normalisation of spectrograms.
        recipe: says optimiser, schedule and seed; the learning rate is the head's.
        truth_NK: 1 where an item has a class, 0 where not; NaN for all items that must not be learnt from.
        one_label: cross-entropy; otherwise a binary one for each class.
        encoder_factor: times the head's learning rate is the encoder's.
        standardise: the head sees embeddings of zero mean and unit variance over the batch.
        steps: optimiser steps in all.
        per_epoch: of them in one pass over the training items.
    """

    def __init__(
        self,
        encoder: Encoder,
        frontend: nn.Module,
        statistics: Statistics,
        recipe: Recipe,
        truth_NK: Tensor,
        *,
        one_label: bool,
        encoder_factor: float,
        standardise: bool,
        steps: int,
        per_epoch: int,
    ) -> None:
        super().__init__()
        self.encoder, self.frontend, self.statistics, self.recipe = encoder, frontend, statistics, recipe
        self.truth_NK, self.one_label = truth_NK, one_label
        self.encoder_factor, self.steps, self.per_epoch = encoder_factor, steps, per_epoch
        dim, classes = encoder.embedding_dim, truth_NK.shape[1]
        linear = nn.Linear(dim, classes)
        self.head = nn.Sequential(nn.BatchNorm1d(dim, affine=False), linear) if standardise else linear
        self.train().encoder.requires_grad_(True)  # the trainer leaves a module in the mode it came in

    def configure_optimizers(self) -> Optimizer:
        """AdamW; its learning rates are set before every step."""
        return build_optimiser(self.recipe, self, [Rate(list(self.encoder.parameters()), self.encoder_factor)])

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the crops; the rest of a batch stays where it is."""
        return replace(batch, wave=batch.wave.to(device, non_blocking=True))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout for this batch, and set the learning rates."""
        torch.manual_seed(rng.key(self.recipe.seed, "dropout", batch.step))
        optimiser, head_lr = self.optimizers(use_pl_optimizer=False), self.recipe.optimiser.lr
        assert isinstance(optimiser, Optimizer)
        assert head_lr != "auto"
        set_lr(optimiser, head_lr, lr_factor(self.recipe, batch.step, self.steps, self.per_epoch))

    def spectrograms(self, wave_BS: Tensor) -> Tensor:
        """Normalised log-mel (B, 1, F, T) of crops that carry their context, as the bundle makes it."""
        with torch.no_grad(), torch.autocast(wave_BS.device.type, enabled=False):
            x_BCFT = self.statistics.normalise(self.frontend(wave_BS, centre=False))
            return x_BCFT.contiguous(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch.

        Raises:
            AudiosslError: the loss is not finite.
        """
        x_BCFT, target_BK = self.spectrograms(batch.wave), self.truth_NK[batch.index].to(batch.wave.device)
        logits_BK = self.head(self.encoder(x_BCFT)).float()
        if self.one_label:
            loss = F.cross_entropy(logits_BK, target_BK)
        else:
            loss = F.binary_cross_entropy_with_logits(logits_BK, target_BK)
        if not torch.isfinite(loss):
            raise AudiosslError(
                f"step {batch.step} of training encoder and head: the loss is {loss.item()}; "
                "the embedding may be broken, or write a protocol of your own with a smaller encoder_lr"
            )
        return loss

    @torch.inference_mode()
    def probabilities(self, wave_BS: Tensor) -> Tensor:
        """Of each class (B, K), float32, in evaluation mode: softmax where an item has one label, else sigmoid."""
        bf16 = multiplies_bf16(self.device)
        with evaluating(self), torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            logits_BK = self.head(self.encoder(self.spectrograms(wave_BS.to(self.device)))).float()
        chances_BK: Tensor = logits_BK.softmax(dim=1) if self.one_label else logits_BK.sigmoid()
        return chances_BK

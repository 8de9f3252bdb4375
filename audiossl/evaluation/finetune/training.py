"""One round of a protocol that trains the encoder: fit on Lightning, then score the test items' windows.

Letters: B crops, S samples, N items, n tested ones, K classes, W windows.
"""

from __future__ import annotations

import copy
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from audiossl import rng
from audiossl.bundle.bundle import Bundle
from audiossl.bundle.untrained import untrained_bundle
from audiossl.data.batches import Plan, make_loader
from audiossl.data.decoded import ClipSource, DecodedStore
from audiossl.devices import choose_device, cores, keep_freed_memory, multiplies_bf16
from audiossl.encoders.base import Encoder
from audiossl.evaluation.finetune.classifier import Classifier
from audiossl.evaluation.finetune.examples import Examples, Ints, window_starts
from audiossl.evaluation.finetune.predictor import steps_of
from audiossl.evaluation.outcome import Floats, Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol import end_to_end as parts
from audiossl.evaluation.task import Round, Task
from audiossl.modality import modality_of
from audiossl.progress import Progress
from audiossl.recipe.schema import Recipe
from audiossl.recipe.training import AdamWConfig, CosineConfig
from audiossl.training.callbacks import OnSignal

WINDOWS_AT_ONCE = 64


def train_and_score(
    protocol: Protocol,
    examples: Examples,
    source: ClipSource,
    task: Task,
    one: Round,
    seed: int,
    callbacks: tuple[Callback, ...] = (),
) -> Outcome:
    """Train on the training items of `one` from the start, and give the class probabilities of its test items.

    A pure function of its arguments on one machine; the bundle and the random state of torch are left as they were.

    Raises:
        AudiosslError: a loss was not finite.
    """
    features = protocol.features
    assert isinstance(features, parts.ExampleFeatures)
    with torch.random.fork_rng(devices=[]), _all_cores():
        torch.manual_seed(rng.key(seed, "head"))
        classifier = make_classifier(protocol, examples.bundle, task, one, seed)
        fit(classifier, source, one, (_Told(examples.progress, one.name), *callbacks))
        return Outcome(class_scores(classifier, source, one.test, features.apart))


def make_classifier(protocol: Protocol, bundle: Bundle, task: Task, one: Round, seed: int) -> Classifier:
    """Encoder and head before the first step; of the labels it is given those of the training items alone."""
    config = protocol.fit
    assert isinstance(config, parts.AdamWConfig)
    truth_NK = torch.full(task.truth.shape, torch.nan)
    truth_NK[one.train] = torch.from_numpy(task.truth[one.train]).float()
    return Classifier(
        _start(protocol, bundle, seed),
        copy.deepcopy(bundle.frontend),
        bundle.statistics,
        _recipe(bundle.recipe, config, len(one.train), seed),
        truth_NK,
        one_label=task.target == "single",
        encoder_factor=config.encoder_lr / config.head_lr,
        standardise=protocol.scaler == "standard",
        steps=steps_of(config, one),
        per_epoch=max(1, len(one.train) // config.batch_size),
    )


def _start(protocol: Protocol, bundle: Bundle, seed: int) -> Encoder:
    assert isinstance(protocol.head, parts.EndToEndConfig)
    random = protocol.head.encoder == "random"
    chosen = untrained_bundle(bundle.recipe, bundle.statistics, seed) if random else bundle
    return copy.deepcopy(chosen.encoder).cpu()


def _recipe(recipe: Recipe, config: parts.AdamWConfig, items: int, seed: int) -> Recipe:
    """The bundle's own recipe, trained as the protocol says."""
    batch_size = min(config.batch_size, items)
    return recipe.model_copy(
        update={
            "seed": seed,
            "optimiser": AdamWConfig(lr=config.head_lr, weight_decay=config.weight_decay),
            "schedule": CosineConfig(warmup=config.warmup),
            "training": recipe.training.model_copy(update={"batch_size": batch_size}),
        }
    )


def fit(classifier: Classifier, source: ClipSource, one: Round, callbacks: tuple[Callback, ...] = ()) -> None:
    """Train `classifier` on random crops of the training items.

    A signal ends it at the next step, and is raised again once the trainer has tidied up.
    """
    recipe, device = classifier.recipe, choose_device("auto")
    clips = modality_of(recipe).clips(recipe, classifier.frontend, None)
    plan = Plan(
        indices=np.sort(one.train),
        batch_size=recipe.training.batch_size,
        crop_samples=clips.crop_samples,
        hop=clips.hop,
        dtype=clips.dtype,
        views=1,
        seed=recipe.seed,
    )
    workers = 0 if isinstance(source, DecodedStore) else cores()
    stop = _Stop()
    with _quietly():
        trainer = Trainer(
            accelerator={"cuda": "gpu"}.get(device.type, device.type),
            devices=1,
            precision="bf16-mixed" if multiplies_bf16(device) else "32-true",
            max_steps=classifier.steps,
            max_epochs=-1,
            callbacks=[*callbacks, stop],
            logger=False,
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(classifier, make_loader(source, plan, 0, classifier.steps, workers=workers))
    if stop.stopped_by is not None:
        signal.raise_signal(stop.stopped_by)
        raise KeyboardInterrupt  # whoever listens let the signal pass, but a half-trained encoder is no score
    classifier.to(device)


def class_scores(classifier: Classifier, source: ClipSource, clips: Ints, apart: float) -> Floats:
    """The mean over windows of the class probabilities of `clips` (n, K), float32.

    Args:
        classifier: is left in the mode it is in.
        source: where the clips are read.
        clips: positions (n,) in the items.
        apart: the most that two windows start apart, as a share of a window.
    """
    cut = modality_of(classifier.recipe).clips(classifier.recipe, classifier.frontend, None)
    hop, window = cut.hop, cut.crop_samples
    starts = [window_starts(source.length(clip), window, round(apart * window), hop) for clip in clips.tolist()]
    row_W = np.repeat(np.arange(len(clips)), list(map(len, starts)))
    start_W = np.concatenate(starts)
    sums_nK = np.zeros((len(clips), classifier.truth_NK.shape[1]), np.float32)
    for first in range(0, len(row_W), WINDOWS_AT_ONCE):
        rows = row_W[first : first + WINDOWS_AT_ONCE]
        pairs = zip(clips[rows].tolist(), start_W[first : first + WINDOWS_AT_ONCE].tolist(), strict=True)
        wave_BS = np.stack([source.read(clip, start, window) for clip, start in pairs])
        np.add.at(sums_nK, rows, classifier.probabilities(torch.from_numpy(wave_BS)).cpu().numpy())
    sums_nK /= np.bincount(row_W)[:, None]
    return sums_nK


class _Stop(OnSignal):
    """Ends training at the next step when the process is told to stop."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if it is time."""
        trainer.should_stop = trainer.should_stop or self.stopped_by is not None


class _Told(Callback):
    """Tells every step, of which fold and epoch it is, and its loss."""

    def __init__(self, progress: Progress, fold: str) -> None:
        self._progress, self._fold = progress, fold

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance."""
        assert isinstance(pl_module, Classifier)
        epoch = batch.step // pl_module.per_epoch + 1
        self._progress.advance(fold=self._fold, epoch=epoch, loss=round(float(outputs["loss"]), 3))


@contextmanager
def _all_cores() -> Iterator[None]:
    """Within: tensor operations use every core; the evaluation's small fits have one each."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    keep_freed_memory()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what Lightning has to say to those who write trainers."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        log.setLevel(level)

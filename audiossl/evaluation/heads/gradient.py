"""Heads trained by gradient descent as probes, all rows in memory, one round per core.

Every score is a pure function of the protocol, the features and the seed, whatever the number of threads.

Letters: N items, B items of a batch, D dimensions, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl import rng
from audiossl.devices import choose_device, one_thread_per_worker
from audiossl.errors import DataError
from audiossl.evaluation.features.patches import MovingPatches, Patches
from audiossl.evaluation.heads.grid import points
from audiossl.evaluation.heads.inputs import ClipInputs, Inputs, MovingInputs, PatchInputs
from audiossl.evaluation.heads.networks import build_head
from audiossl.evaluation.heads.scaling import fit_scaler
from audiossl.evaluation.heads.validation import sides
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.measures.fonseca import clip_means
from audiossl.evaluation.metric_names import READINGS
from audiossl.evaluation.outcome import Floats, Ints, Outcome, judge, metric_of
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.gradient import AdamConfig, EpochChoice, SgdConfig
from audiossl.evaluation.task import Round, Task


class Fitted(NamedTuple):
    """One round."""

    outcome: Outcome
    value: float
    """On the validation items, greater is better; 0 where nothing was chosen."""


def by_gradient(protocol: Protocol, features: Any, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's class probabilities.

    Labels of test items are looked at where the protocol's selection says so, and nowhere else.

    Args:
        protocol: with head `linear` or `mlp`.
        features: (N, D), or what `patch_features` gives.
        task: with one or several labels per item.
        seed: of weights, batches, dropout, random shares, grids.
        parallel: see `work`.

    Raises:
        DataError: a loss was not finite.
        UsageError: see `sides`.
    """
    candidates = points(protocol, seed)

    def fit(job: tuple[int, Round]) -> Fitted:
        point, chosen = candidates[job[0]]
        return _fit_round(point, features, task, job[1], seed, chosen)

    with one_thread_per_worker():
        tried = list(parallel(fit, [(number, task.rounds[0]) for number in range(len(candidates))]))
        best = int(np.argmax([fitted.value for fitted in tried]))
        rest = list(parallel(fit, [(best, one) for one in task.rounds[1:]]))
    return [fitted.outcome for fitted in (tried[best], *rest)]


def _fit_round(
    protocol: Protocol, features: Any, task: Task, one: Round, seed: int, chosen: dict[str, float]
) -> Fitted:
    learn, valid, scale = sides(protocol, task, one, seed)
    inputs = _inputs(protocol, features, scale)
    head = build_head(protocol.head, inputs.dim, len(task.classes), rng.torch_stream("cpu", seed, "head", one.place))
    net = inputs.network(head.to(choose_device("auto")))
    training = _Training(protocol, task, inputs, net, head, learn, seed, one.place)
    if valid is None:
        for _ in training.epochs():
            pass
        return Fitted(Outcome(training.probabilities(one.test), chosen), 0.0)
    metric = metric_of(protocol, task)
    sign = 1.0 if READINGS[metric].higher else -1.0
    judged = replace(one, test=valid)

    def value_now() -> float:
        return sign * judge(task, judged, Outcome(training.probabilities(valid)))[metric](None)

    epoch, value = _best_epoch(protocol, training, value_now)
    return Fitted(Outcome(training.probabilities(one.test), {**chosen, "epoch": float(epoch)}), value)


def _inputs(protocol: Protocol, features: Any, scale: Ints) -> Inputs:
    device = choose_device("auto")
    if isinstance(features, MovingPatches):
        return MovingInputs(features, device)
    if isinstance(features, Patches):
        fitted_on = features.values[np.isin(features.owner, scale)].astype(np.float64)
        return PatchInputs(features, fit_scaler(protocol, fitted_on), device)
    return ClipInputs(features, fit_scaler(protocol, features[scale]), device)


def _best_epoch(protocol: Protocol, training: _Training, value_now: Callable[[], float]) -> tuple[int, float]:
    """Train, and leave the network as it was at its best epoch; that epoch and its value."""
    choice, fit = protocol.selection, protocol.fit
    assert isinstance(choice, EpochChoice) and isinstance(fit, AdamConfig | SgdConfig)
    best, value, state, fruitless = 0, -np.inf, {}, 0
    for epoch in training.epochs():
        if epoch % choice.validate_every and not (epoch == fit.epochs and best == 0):
            continue
        now = value_now()
        if now > value or (now == value and choice.ties == "last"):
            best, value, fruitless = epoch, now, 0
            state = {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
        else:
            fruitless += 1
            if fruitless == choice.patience:
                break
    training.net.load_state_dict(state)
    return best, value


@dataclass(frozen=True)
class _Training:
    """A network and all that its training needs."""

    protocol: Protocol
    task: Task
    inputs: Inputs
    net: nn.Module
    head: nn.Module
    learn: Ints
    seed: int
    place: int
    """Of the round."""

    def epochs(self) -> Iterator[int]:
        """Train; the number of each epoch, from 1, when it is over."""
        fit = self.protocol.fit
        assert isinstance(fit, AdamConfig | SgdConfig)
        rate = fit.learning_rate
        assert isinstance(rate, float)
        weights = [weight for weight in self.net.parameters() if weight.requires_grad]
        optimiser: torch.optim.Optimizer
        if isinstance(fit, AdamConfig):
            optimiser = torch.optim.Adam(weights, rate, weight_decay=fit.weight_decay)
        else:
            optimiser = torch.optim.SGD(weights, rate, fit.momentum, weight_decay=fit.weight_decay)
        single = self.task.target == "single"
        truth = torch.from_numpy(self.task.labels if single else self.task.truth.astype(np.float32))
        alone = any(isinstance(module, nn.BatchNorm1d) for module in self.head.modules())
        for epoch in range(1, fit.epochs + 1):
            if isinstance(fit, SgdConfig):
                for group in optimiser.param_groups:
                    group["lr"] = rate * 0.1 ** sum(epoch > milestone for milestone in fit.milestones)
            stream = rng.numpy_stream(self.seed, "epoch", self.place, epoch)
            order = self.learn[stream.permutation(len(self.learn))]
            self.net.train()
            for start in range(0, len(order), fit.batch_size):
                part = order[start : start + fit.batch_size]
                if len(part) == 1 and alone:
                    continue  # BatchNorm has no statistics of one item
                with torch.enable_grad():
                    loss = self._loss(self.net(self.inputs.drawn(part, stream)), truth[torch.from_numpy(part)])
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            yield epoch

    def _loss(self, logits_BK: Tensor, truth_B: Tensor) -> Tensor:
        truth_B = truth_B.to(logits_BK.device)
        if truth_B.is_floating_point():
            return F.binary_cross_entropy_with_logits(logits_BK, truth_B)
        loss = F.cross_entropy(logits_BK, truth_B)
        over_classes = isinstance(self.protocol.fit, AdamConfig) and self.protocol.fit.loss_mean == "batch_and_classes"
        return loss / logits_BK.shape[1] if over_classes else loss

    @torch.no_grad()
    def probabilities(self, items: Ints) -> Floats:
        """Of each class (n, K), the mean over the rows of each item.

        Raises:
            DataError: one is not finite.
        """
        self.net.eval()
        found, owner = [], []
        for rows, places in self.inputs.scored(items):
            logits = self.net(rows)
            found.append((logits.softmax(1) if self.task.target == "single" else logits.sigmoid()).double().cpu())
            owner.append(places)
        means = clip_means(torch.cat(found).numpy(), np.concatenate(owner), len(items))
        if not np.isfinite(means).all():
            raise DataError(
                f"{self.task.name}: under {self.protocol.id} the head diverged, so embeddings may be very large; "
                "look at them, or score them under a protocol with scaler standard"
            )
        return means

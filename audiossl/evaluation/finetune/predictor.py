"""The predictor of `finetune@1` and `scratch@1`: round by round, each kept as it finishes.

Imports no Lightning, which takes seconds: only a round that is to be trained does.
"""

from __future__ import annotations

from typing import Any

from audiossl.evaluation.cache import data_fingerprint
from audiossl.evaluation.finetune.examples import Examples
from audiossl.evaluation.finetune.kept import keep, recall, round_path
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.outcome import Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.end_to_end import AdamWConfig, EndToEndConfig
from audiossl.evaluation.task import Round, Task


def end_to_end(protocol: Protocol, examples: Examples, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's class probabilities: encoder and head are trained on its training items alone.

    One round after the other, each on all cores; `parallel` is not used. A round's test items are first read when its
    training is over.

    Raises:
        DataError: a file cannot be read.
        AudiosslError: a loss was not finite.
    """
    fit, fingerprint = protocol.fit, data_fingerprint(examples.items)
    assert isinstance(fit, AdamWConfig)
    start = _start(protocol, examples)
    paths = [round_path(protocol, start, fingerprint, task, one, seed) for one in task.rounds]
    found = [recall(path) if examples.keep else None for path in paths]
    if missing := [number for number, outcome in enumerate(found) if outcome is None]:
        from audiossl.evaluation.finetune.training import train_and_score

        source, steps = examples.open(), [steps_of(fit, one) for one in task.rounds]
        done = sum(steps) - sum(steps[number] for number in missing)
        examples.progress.start(protocol.id, sum(steps), "steps", done=done)
        try:
            for number in missing:
                outcome = train_and_score(protocol, examples, source, task, task.rounds[number], seed)
                if examples.keep:
                    keep(paths[number], outcome)
                found[number] = outcome
        finally:
            examples.progress.close()
    return [outcome for outcome in found if outcome is not None]


def steps_of(fit: AdamWConfig, one: Round) -> int:
    """Optimiser steps of a round."""
    return max(fit.min_steps, fit.epochs * max(1, len(one.train) // fit.batch_size))


def _start(protocol: Protocol, examples: Examples) -> dict[str, Any]:
    """All that decides the encoder before the first step, and what it is given."""
    assert isinstance(protocol.head, EndToEndConfig)
    bundle, recipe = examples.bundle, examples.bundle.recipe
    if protocol.head.encoder == "pretrained":
        return {"bundle": bundle.sha256}
    sections = recipe.model_dump(mode="json", include={"modality", "encoder", "frontend"})
    return {**sections, "crop_s": getattr(recipe.data, "crop_s", None), "statistics": vars(bundle.statistics)}

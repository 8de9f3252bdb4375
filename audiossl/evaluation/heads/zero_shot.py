"""Classes told apart by their names alone (Radford et al. 2021), and who has learnt the tested items' texts before.

Letters: N items, D dimensions, K classes, P size of the space of examples and texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiossl.bundle.bundle import Array, Bundle
from audiossl.data.items import Items
from audiossl.errors import UsageError
from audiossl.evaluation.heads.work import Map
from audiossl.evaluation.outcome import Outcome
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.parts import ZeroShotConfig
from audiossl.evaluation.task import Task


def most_similar(protocol: Protocol, similar_NK: Array, task: Task, seed: int, parallel: Map) -> list[Outcome]:
    """Each round's similarities, as `similarities` gives them: nothing is learnt."""
    return [Outcome(similar_NK[one.test]) for one in task.rounds]


def similarities(bundle: Bundle, features_ND: Array, classes: Sequence[str], head: ZeroShotConfig) -> Array:
    """Cosine similarity (N, K) of each item to each class: to the mean of its prompts' embeddings.

    Raises:
        UsageError: the encoder knows no text.
    """
    names = [name.translate({ord(mark): " " for mark in head.spaces}) for name in classes]
    texts = [prompt.replace("{}", name) for name in names for prompt in head.prompts]
    text_KP = bundle.embed_text(texts).reshape(len(names), len(head.prompts), -1).mean(axis=1)
    text_KP /= np.linalg.norm(text_KP, axis=1, keepdims=True)
    similar_NK: Array = bundle.project(features_ND) @ text_KP.T
    return similar_NK


def check_texts(name: str, bundle: Bundle, items: Items, protocols: Sequence[Protocol], tasks: Sequence[Task]) -> None:
    """Refuse an encoder without texts where they are needed, and one that was trained with texts of tested items.

    Raises:
        UsageError: what to write instead is in the message.
    """
    wordy = [protocol.id for protocol in protocols if protocol.needs_text]
    if bundle.text is None:
        if wordy:
            raise UsageError(
                f"{name}: learnt from {bundle.modality.nouns} alone and knows no text, so {wordy[0]} cannot score it; "
                f"give an encoder trained with texts, by the method clip"
            )
        return
    seen_N = _trained_on(bundle, items)
    tested = np.unique(np.concatenate([task.tested for task in tasks]))
    if not seen_N[tested].any():
        return
    fold_N = np.array([str(fold) for fold in items.column("fold")])
    fresh = sorted(set(fold_N) - set(fold_N[seen_N]))
    hint = " ".join(f"--folds {fold}" for fold in fresh)
    cure = f"score the others with {hint}" if fresh else "score it on other data"
    raise UsageError(
        f"{name}: was trained with the texts of {int(seen_N[tested].sum())} of the {len(tested)} "
        f"{bundle.modality.nouns} that would be tested; {cure}"
    )


def _trained_on(bundle: Bundle, items: Items) -> NDArray[np.bool_]:
    """Which items (N,) are training data of `bundle`, by the manifest, the splits and the folds of its recipe."""
    data = bundle.recipe.data
    if Path(data.manifest).stem != items.name:
        return np.zeros(len(items), np.bool_)
    rows = zip(items.column("split"), items.column("fold"), strict=True)
    return np.array(
        [
            (data.splits is None or split in data.splits) and (data.folds is None or fold in data.folds)
            for split, fold in rows
        ]
    )

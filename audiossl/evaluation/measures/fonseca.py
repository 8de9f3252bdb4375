"""The clip-level scores of Fonseca et al. 2021, as pure functions of what patches were given.

Every clip has several patches. `clip_means` and `supervised_scores` are its supervised evaluation; `neighbour_scores`
is the kNN by which it watches pre-training: each patch asks its neighbours among the patches of all other clips.

Letters: P patches, N clips, D dimensions, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from audiossl.evaluation.heads.neighbours import unit_rows
from audiossl.evaluation.measures.metrics import accuracy, class_accuracies, confusion

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


def clip_means(values_PK: Floats, clip_P: Ints, n_clips: int) -> Floats:
    """The mean (N, K) over the patches of each clip; every clip has at least one."""
    sums_NK = np.zeros((n_clips, values_PK.shape[1]))
    np.add.at(sums_NK, clip_P, values_PK)
    return sums_NK / np.bincount(clip_P, minlength=n_clips)[:, None]


class SupervisedScores(NamedTuple):
    """What the original prints of a classifier; accuracies in percent."""

    loss: float
    """Mean cross-entropy over patches."""
    micro: float
    """Of clips, each counted as often as it has patches, as the original does."""
    macro: float
    """Mean over classes of the accuracy on clips."""
    per_class: Floats
    """Accuracy on the clips of each class (K,)."""


def supervised_scores(logits_PK: Floats, labels_P: Ints, clip_P: Ints) -> SupervisedScores:
    """Softmax averaged over the patches of a clip, and its accuracies.

    Args:
        logits_PK: of each patch.
        labels_P: the class of the clip of each patch, 0 to K - 1.
        clip_P: the number of the clip of each patch, 0 to N - 1.
    """
    log_p_PK = torch.from_numpy(logits_PK).double().log_softmax(1).numpy()
    n_clips, n_classes = int(clip_P.max()) + 1, logits_PK.shape[1]
    labels_N = labels_P[np.unique(clip_P, return_index=True)[1]]
    predicted_N = clip_means(np.exp(log_p_PK), clip_P, n_clips).argmax(axis=1)
    per_class_K = 100 * class_accuracies(confusion(labels_N, predicted_N, n_classes))
    return SupervisedScores(
        loss=float(-log_p_PK[np.arange(len(labels_P)), labels_P].mean()),
        micro=float(100 * (predicted_N == labels_N)[clip_P].mean()),
        macro=float(np.nanmean(per_class_K)),
        per_class=per_class_K,
    )


class NeighbourScores(NamedTuple):
    """Accuracies on clips in percent."""

    top1: float
    top3: float
    """Whether the class is among the three that most patches voted for."""
    balanced_top1: float
    balanced_top3: float
    per_class: Floats
    """Top-1 accuracy on the clips of each class (K,)."""


def neighbour_scores(
    embeddings_PD: Floats, labels_P: Ints, clip_P: Ints, *, k: int, as_published: bool = False
) -> NeighbourScores:
    """Leave one clip out: each patch votes for the majority class of its neighbours, each clip for that of its patches.

    Among equal counts the smallest class wins. Where fewer than `k` patches are left, all are asked.

    Args:
        embeddings_PD: of each patch; compared by cosine similarity.
        labels_P: the class of the clip of each patch, 0 to K - 1.
        clip_P: the number of the clip of each patch, 0 to N - 1, in order: patches of a clip stand together.
        k: neighbours.
        as_published: repeat what the published figures were made with. A neighbour is found among the patches of other
            clips but its label is looked up in the list of all, so that labels after the clip are shifted by its
            patches; among equal counts the largest class wins; and which of equal counts is third is left to
            `torch.topk`.
    """
    z_PD = unit_rows(embeddings_PD)
    n_clips, n_classes = int(clip_P.max()) + 1, int(labels_P.max()) + 1
    labels_N = labels_P[np.unique(clip_P, return_index=True)[1]]
    first_N, third_N = np.zeros(n_clips, np.int64), np.zeros(n_clips, np.bool_)
    for clip in range(n_clips):
        own_P = clip_P == clip
        similar = torch.from_numpy(z_PD[own_P] @ z_PD[~own_P].T)
        nearest = similar.topk(min(k, similar.shape[1]), dim=1).indices.numpy()
        neighbours = (labels_P if as_published else labels_P[~own_P])[nearest]
        counts = np.apply_along_axis(np.bincount, 1, neighbours, minlength=n_classes)
        votes_K = np.bincount(_majority(counts, as_published), minlength=n_classes)
        first_N[clip] = _majority(votes_K[None], as_published)[0]
        third_N[clip] = labels_N[clip] in _top3(votes_K, as_published)
    right_N = first_N == labels_N
    counts_KK = confusion(labels_N, first_N, n_classes)
    per_class_K = 100 * class_accuracies(counts_KK)
    top3_K = [third_N[labels_N == label].mean() for label in np.unique(labels_N)]
    assert accuracy(counts_KK) == right_N.mean()
    return NeighbourScores(
        top1=float(100 * right_N.mean()),
        top3=float(100 * third_N.mean()),
        balanced_top1=float(np.nanmean(per_class_K)),
        balanced_top3=float(100 * np.mean(top3_K)),
        per_class=per_class_K,
    )


def _majority(counts_BK: Ints, largest: bool) -> Ints:
    """The class of the greatest count (B,); among equals the smallest, or the largest."""
    last = counts_BK.shape[1] - 1
    winner_B: Ints = last - counts_BK[:, ::-1].argmax(axis=1) if largest else counts_BK.argmax(axis=1)
    return winner_B


def _top3(votes_K: Ints, as_published: bool) -> Ints:
    """The at most three classes of most votes."""
    classes = np.flatnonzero(votes_K)
    if as_published and len(classes) >= 3:
        order = torch.from_numpy(votes_K[classes]).topk(3).indices.numpy()
    else:
        order = np.argsort(-votes_K[classes], kind="stable")[:3]
    top: Ints = classes[order]
    return top

"""How embeddings lie on the sphere: do classes draw together, is all of it used, how many dimensions are.

Letters: N items, D dimensions, K classes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from audiossl.evaluation.heads.neighbours import unit_rows
from audiossl.evaluation.measures import metrics
from audiossl.evaluation.scores import Health
from audiossl.evaluation.task import Task
from audiossl.training.monitors import effective_rank, scaled_std

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

AT_MOST = 2000
"""Items that enter rank and uniformity, which cost the square or cube of them."""


def health(values_ND: Floats, task: Task) -> Health:
    """Whether the embeddings (N, D) of all items of `task` use their dimensions, and classes lie together."""
    some = values_ND[:: max(1, -(-len(values_ND) // AT_MOST))]
    z_ND = torch.from_numpy(np.ascontiguousarray(some))
    return Health(
        rankme=effective_rank(z_ND),
        deviation=scaled_std(z_ND),
        uniformity=metrics.uniformity(some),
        alignment=class_alignment(values_ND, task.label_lists, task.groups),
    )


def class_alignment(z_ND: Floats, label_lists: list[list[int]], groups_N: Ints) -> float | None:
    """Mean squared distance of L2-normalised positive pairs (Wang and Isola 2020); 0 is best, or collapsed.

    Their positives are two views of one example. Here they are two items of one class from different groups, so that
    the cuts of one recording are no pair; items that share several classes are a pair in each. Read it beside the
    uniformity: the mean distance of unrelated items is 2 where the embeddings fill the sphere evenly.

    Args:
        z_ND: embeddings of all items.
        label_lists: the numbers of each item's classes.
        groups_N: equal numbers mark one group.

    Returns:
        Between 0 and 4; None where there is no such pair.
    """
    unit_ND = unit_rows(z_ND.astype(np.float64))
    item_M = np.repeat(np.arange(len(label_lists)), [len(labels) for labels in label_lists])
    class_M = np.array([label for labels in label_lists for label in labels], np.int64)
    cell_M = class_M * (groups_N.max() + 1) + groups_N[item_M]
    (pairs, distance), (own_pairs, own_distance) = (
        _within(unit_ND[item_M], np.unique(set_M, return_inverse=True)[1]) for set_M in (class_M, cell_M)
    )
    return float(max(0.0, distance - own_distance) / (pairs - own_pairs)) if pairs > own_pairs else None


def _within(unit_MD: Floats, set_M: Ints) -> tuple[int, float]:
    """How many pairs lie within the sets, and the sum of their squared distances.

    The sum over pairs of |a - b|^2 is n times the sum of |a|^2, less |sum of a|^2.
    """
    sizes = np.bincount(set_M)
    sums = np.zeros((len(sizes), unit_MD.shape[1]))
    np.add.at(sums, set_M, unit_MD)
    squares = np.bincount(set_M, weights=(unit_MD**2).sum(axis=1))
    return int((sizes * (sizes - 1) // 2).sum()), float((sizes * squares - (sums**2).sum(axis=1)).sum())

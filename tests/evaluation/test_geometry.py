from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from audiossl.evaluation.measures import metrics
from audiossl.evaluation.measures.geometry import class_alignment, health
from audiossl.evaluation.task import make_task
from tests.evaluation.made import blobs, items_of


def slow_pairs(label_lists, groups):
    return [
        (i, j)
        for i, j in combinations(range(len(groups)), 2)
        if groups[i] != groups[j]
        for _ in set(label_lists[i]) & set(label_lists[j])
    ]


@pytest.mark.parametrize("several", [False, True])
def test_class_alignment_is_wang_and_isolas_of_all_pairs_of_one_class_and_two_groups(several):
    rng = np.random.default_rng(0)
    label_lists = [sorted(rng.choice(4, rng.integers(0, 4) if several else 1, replace=False)) for _ in range(50)]
    groups, z = rng.integers(0, 20, 50), rng.normal(size=(50, 6)) + 1
    first, second = np.array(slow_pairs(label_lists, groups)).T
    assert class_alignment(z, label_lists, groups) == pytest.approx(metrics.alignment(z[first], z[second]))


def test_class_alignment_is_0_where_a_class_is_one_point_and_2_where_all_is_noise():
    labels = [[k % 3] for k in range(30)]
    points = np.eye(3)[np.arange(30) % 3] * np.arange(1, 31)[:, None]
    assert class_alignment(points, labels, np.arange(30)) == pytest.approx(0)
    noise = np.random.default_rng(0).normal(size=(600, 400))
    assert class_alignment(noise, [[k % 3] for k in range(600)], np.arange(600)) == pytest.approx(2, abs=0.01)


def test_without_a_pair_from_two_groups_there_is_no_alignment():
    assert class_alignment(np.eye(4), [[0], [0], [1], [1]], np.array([5, 5, 6, 6])) is None
    assert class_alignment(np.eye(3), [[], [0], [1]], np.arange(3)) is None
    assert class_alignment(np.eye(2), [[], []], np.arange(2)) is None


def test_health_tells_a_spread_embedding_from_a_collapsed_one():
    x, labels, folds = blobs(n=80)
    task = make_task(items_of(labels, folds), when_missing=5, seed=0)
    spread, collapsed = health(x, task), health(np.ones((80, 12)), task)
    assert spread.rankme > 5 > collapsed.rankme
    assert spread.deviation > 0.5 > collapsed.deviation
    assert spread.uniformity < -1 < collapsed.uniformity == 0
    assert spread.alignment > 0.5 > collapsed.alignment == 0

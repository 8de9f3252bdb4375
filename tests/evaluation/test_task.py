from __future__ import annotations

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.evaluation.task import make_task
from tests.evaluation.made import items_of


def task_of(*args, **kwargs):
    return make_task(items_of(*args, **kwargs), when_missing=5, seed=0)


def test_own_folds_are_each_the_test_once_and_the_inner_ones_never_hold_it():
    task = task_of(["a", "b"] * 8, folds=np.repeat([1, 2, 3, 4], 4))
    assert [one.name for one in task.rounds] == ["1", "2", "3", "4"]
    assert sorted(np.concatenate([one.test for one in task.rounds])) == list(range(16))
    for one in task.rounds:
        assert not set(one.test) & set(one.train)
        assert sorted(np.concatenate([held for _, held in one.inner])) == list(one.train)
        for fit, held in one.inner:
            assert sorted([*fit, *held]) == list(one.train)


def test_a_split_named_test_is_the_only_test():
    task = task_of(["a", "b"] * 10, splits=["train"] * 8 + ["valid"] * 4 + ["test"] * 8)
    (one,) = task.rounds
    assert one.name == "test"
    assert list(one.test) == list(range(12, 20))
    assert len(one.inner) == 5


def test_without_folds_grouped_ones_are_made():
    groups = np.repeat(np.arange(20), 3)
    task = task_of([f"c{g % 2}" for g in groups], groups=groups)
    assert len(task.rounds) == 5
    for one in task.rounds:
        assert not set(groups[one.test]) & set(groups[one.train])
        assert {"c0", "c1"} == {task.classes[k] for k in task.labels[one.test]}


def test_items_without_labels_are_refused():
    with pytest.raises(DataError, match="made: the items have no labels"):
        task_of([None, None])
    with pytest.raises(DataError, match="clip1 is without a label"):
        task_of(["a", None, "b"])


def test_a_class_that_training_lacks_is_refused_by_name():
    with pytest.raises(DataError, match="owl is tested in 2 but never trained on"):
        task_of(["cat", "dog", "cat", "dog", "owl"], folds=[1, 1, 2, 2, 2])


def test_a_duplicate_under_another_id_in_another_fold_is_refused():
    labels, folds = ["a", "b"] * 4 + ["a"], [1, 1, 1, 1, 2, 2, 2, 2, 2]
    groups = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g0"]
    with pytest.raises(DataError, match="on both sides of a split: group g0;"):
        task_of(labels, folds=folds, groups=groups)
    task_of(labels, folds=folds, groups=groups, crossing=1)  # as many as the manifest knows its folds to cut apart


def test_half_given_folds_and_single_classes_are_refused():
    with pytest.raises(DataError, match="at least two classes"):
        task_of(["a", "a"], folds=[1, 2])
    with pytest.raises(DataError, match="all items are in fold 1"):
        task_of(["a", "b"], folds=[1, 1])
    with pytest.raises(DataError, match="class b has one group only"):
        task_of(["a", "a", "b", "b"], groups=["x", "y", "z", "z"])

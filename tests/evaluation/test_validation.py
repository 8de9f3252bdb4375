"""What is learnt from and what is chosen on: never a test item, and as the field's kits have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audiossl.errors import UsageError
from audiossl.evaluation.heads.grid import points
from audiossl.evaluation.heads.validation import sides
from audiossl.evaluation.probes import task_of
from audiossl.evaluation.protocol import load_protocol
from tests.evaluation.made import blobs, items_of

HEAR, EVAR, XARES = (load_protocol(name) for name in ("hear2021@1", "evar2026@1", "xares2025@1"))


@pytest.fixture(scope="module")
def items():
    _, labels, folds = blobs(n=200, folds=5)
    return items_of(labels, folds)


def folds_of(items, indices):
    return sorted({items.column("fold")[i] for i in indices})


def test_hears_splits_test_a_fold_choose_on_the_next_and_learn_from_the_rest(items):
    task = task_of(HEAR, items)
    found = [(sides(HEAR, task, one, 0), one) for one in task.rounds]
    assert [(folds_of(items, s.learn), folds_of(items, s.valid), folds_of(items, one.test)) for s, one in found] == [
        ([3, 4, 5], [2], [1]),
        ([1, 4, 5], [3], [2]),
        ([1, 2, 5], [4], [3]),
        ([1, 2, 3], [5], [4]),
        ([2, 3, 4], [1], [5]),
    ]


def test_the_next_fold_is_the_same_where_only_one_fold_is_tested(items):
    task = task_of(HEAR, items).only(["4"])
    assert folds_of(items, sides(HEAR, task, task.rounds[0], 0).valid) == [5]


def test_validation_items_of_the_data_set_are_taken_first():
    _, labels, _ = blobs(n=120)
    splits = ["train"] * 80 + ["val"] * 20 + ["test"] * 20
    items = items_of(labels, splits=splits)
    task = task_of(HEAR, replace(items, design=replace(items.design, by="split", valid=("val",))))
    for protocol in (HEAR, EVAR):
        found = sides(protocol, task, task.rounds[0], 0)
        assert found.valid.tolist() == list(range(80, 100)) and found.learn.tolist() == list(range(80))


def test_a_random_tenth_holds_every_class_and_depends_on_the_seed_alone(items):
    task = task_of(EVAR, items)
    one = task.rounds[2]
    found = [sides(EVAR, task, one, seed) for seed in range(20)]
    for side in found:
        assert len(side.valid) == 16 and set(task.labels[side.valid]) == set(range(4))
        assert sorted([*side.learn, *side.valid]) == one.train.tolist() == side.scale.tolist()
    assert len({side.valid.tobytes() for side in found}) == 20
    assert (sides(EVAR, task, one, 5).valid == found[5].valid).all()


def test_a_tenth_too_small_for_all_classes_holds_as_many_as_it_can():
    _, labels, folds = blobs(n=120, classes=20, folds=3)
    task = task_of(EVAR, items_of(labels, folds))
    assert [len(set(task.labels[sides(EVAR, task, one, 0).valid])) for one in task.rounds] == [8, 8, 8]


def test_only_a_protocol_that_says_so_chooses_on_the_test(items):
    task = task_of(XARES, items)
    assert all((sides(XARES, task, one, 0).valid == one.test).all() for one in task.rounds)
    for protocol in (HEAR, EVAR):
        for one in task.rounds:
            found = sides(protocol, task, one, 0)
            assert not np.intersect1d(one.test, np.concatenate(found)).size
            assert not np.intersect1d(found.learn, found.valid).size


def test_a_round_without_a_next_fold_is_told(items):
    task = task_of(HEAR, items)
    few = task.learning_from([one.train[:20] for one in task.rounds])
    with pytest.raises(UsageError, match=r"hear2021@1 chooses on the next fold, and there is none"):
        sides(HEAR, few, few.rounds[0], 0)


def test_a_random_grid_draws_eight_of_sixteen_points():
    found = [points(HEAR, seed) for seed in range(10)]
    rates = {3.2e-3, 1e-3, 3.2e-4, 1e-4}
    every = set()
    for drawn in found:
        told = [(one.head.hidden_layers, one.head.xavier, one.fit.learning_rate) for one, _ in drawn]
        assert len(set(told)) == 8
        every |= set(told)
    assert every == {(h, x, r) for h in (1, 2) for x in ("uniform", "normal") for r in rates}
    assert points(HEAR, 3) == found[3] and points(HEAR, 4) != found[3]
    one, chosen = found[0][0]
    assert chosen["learning_rate"] == one.fit.learning_rate and chosen["hidden_layers"] == one.head.hidden_layers
    assert chosen[f"xavier {one.head.xavier}"] == 1.0
    assert points(EVAR, 0) == [(EVAR, {})]

"""Folds and splits: official ones as they are, checked; ours grouped, stratified and seeded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.data.items import Item, Items
from audiossl.data.splits import fitting_folds, group_numbers, grouped_folds, made_splits, official_splits
from audiossl.errors import DataError


def items(rows: list[tuple[str, int | None, str | None, str | None]], crossing: int = 0) -> Items:
    """From (label, fold, split, group)."""
    made = [
        Item(str(i), f"{i}.wav", labels=[label], fold=fold, split=split, group=group)
        for i, (label, fold, split, group) in enumerate(rows)
    ]
    return Items.from_rows(made, Path(), name="zoo", crossing_groups=crossing)


FOLDS = [(label, fold, None, f"{label}{fold}") for fold in (1, 2, 3) for label in "ab"]


def test_official_folds_are_tested_one_by_one():
    splits = official_splits(items(FOLDS))
    assert [split.name for split in splits] == ["1", "2", "3"]
    assert [split.test.tolist() for split in splits] == [[0, 1], [2, 3], [4, 5]]
    for _, fit, held in splits:
        assert sorted([*fit, *held]) == list(range(6))


def test_official_splits_are_one_pair():
    rows = [("a", None, "train", None), ("a", None, "test", None), ("a", None, "valid", None)]
    ((name, fit, held),) = official_splits(items(rows), train=("train",))
    assert (name, fit.tolist(), held.tolist()) == ("test", [0], [1])
    ((name, fit, held),) = official_splits(items(rows), train=("train", "test"), test=("valid",))
    assert (name, fit.tolist(), held.tolist()) == ("valid", [0, 1], [2])
    ((_, fit, held),) = official_splits(items(rows))
    assert (fit.tolist(), held.tolist()) == ([0, 2], [1])


def test_a_group_on_both_sides_is_refused_by_name_unless_the_manifest_knows():
    rows = [*FOLDS, ("a", 1, None, "rec7"), ("b", 2, None, "rec7")]
    with pytest.raises(DataError, match="on both sides of a split: group rec7;"):
        official_splits(items(rows))
    assert len(official_splits(items(rows, crossing=1))) == 3
    with pytest.raises(DataError, match="on both sides of a split: group g;"):
        official_splits(items([("a", None, "train", "g"), ("a", None, "test", "g")]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, None, None), ("b", 2, None, None), ("a", 2, None, None)], "b is tested in 2 but never trained on"),
        ([("a", 1, None, None), ("a", None, None, None)], "1 is without a fold while others have one"),
        ([("a", 1, None, None)], "all items are in fold 1; give at least two"),
        ([("a", None, "train", None)], "no item has the split test; splits there: train; no folds"),
        ([("a", None, None, None)], "no item has the split test; splits there: none"),
        ([("a", None, "test", None)], "no item has the split train; splits there: test"),
    ],
)
def test_splits_that_cannot_score_anything_are_refused(rows: list, message: str):
    with pytest.raises(DataError, match=message):
        official_splits(items(rows))


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.sampled_from("aabbc"), min_size=12, max_size=40),
    groups=st.none() | st.integers(4, 9),
    n=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_grouped_folds_test_each_row_once_and_cut_no_group(labels: list[str], groups: int | None, n: int, seed: int):
    rows = [(label, None, None, groups and f"g{i % groups}") for i, label in enumerate(labels)]
    group_N, label_N = group_numbers(items(rows)), np.unique(labels, return_inverse=True)[1]
    assert len(set(group_N)) == (groups or len(labels))
    fold_N = grouped_folds(label_N, group_N, n, seed)
    assert fold_N.shape == (len(labels),)
    assert set(fold_N) == set(range(n))
    for group in set(group_N):
        assert len(set(fold_N[group_N == group])) == 1
    assert np.array_equal(fold_N, grouped_folds(label_N, group_N, n, seed))


def test_grouped_folds_spread_classes_evenly_and_change_with_the_seed():
    labels, alone = np.arange(40) % 2, np.arange(40)
    first, other = (grouped_folds(labels, alone, 4, seed) for seed in (0, 1))
    for fold in range(4):
        assert Counter(labels[first == fold].tolist()) == {0: 5, 1: 5}
    assert not np.array_equal(first, other)


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(DataError, match="2 groups cannot make 3 folds"):
        grouped_folds(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 3, 0)


def test_fitting_folds_are_the_same_every_time_and_fewer_for_rare_classes():
    labels, alone = np.array([0] * 20 + [1] * 3), np.arange(23)
    first = fitting_folds(labels, alone, 5, seed=1)
    assert np.array_equal(first, fitting_folds(labels, alone, 5, seed=1))
    assert first.max() + 1 == 3


def test_made_splits_test_every_item_once_and_want_two_groups_of_each_class():
    rows = [(label, None, None, f"{label}{i // 2}") for label in "ab" for i in range(8)]
    splits = made_splits(items(rows), 4, 0)
    assert [split.name for split in splits] == ["made 1", "made 2", "made 3", "made 4"]
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(16))
    for _, fit, held in splits:
        assert sorted([*fit, *held]) == list(range(16))
        assert not {rows[i][3] for i in fit} & {rows[i][3] for i in held}
    with pytest.raises(DataError, match="class b has one group only"):
        made_splits(items([("a", None, None, None)] * 3 + [("b", None, None, "z")] * 2), 4, 0)

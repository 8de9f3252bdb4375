"""Folds and splits: official ones as they are, checked; ours grouped, stratified and seeded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.data.items import Design, Event, Item, Items
from audiossl.data.splits import (
    fitting_folds,
    group_numbers,
    grouped_folds,
    label_numbers,
    made_splits,
    official_splits,
    target_of,
)
from audiossl.data.stratify import multilabel_folds
from audiossl.errors import DataError


def items(
    rows: list[tuple[str, int | None, str | None, str | None]], crossing: int = 0, design: Design | None = None
) -> Items:
    """From (labels, fold, split, group); a label is one letter."""
    made = [
        Item(str(i), f"{i}.wav", labels=list(labels), fold=fold, split=split, group=group)
        for i, (labels, fold, split, group) in enumerate(rows)
    ]
    return Items.from_rows(made, Path(), name="zoo", crossing_groups=crossing, design=design)


FOLDS = [(label, fold, None, f"{label}{fold}") for fold in (1, 2, 3) for label in "ab"]


def test_official_folds_are_tested_one_by_one():
    splits = official_splits(items(FOLDS))
    assert [split.name for split in splits] == ["1", "2", "3"]
    assert [split.test.tolist() for split in splits] == [[0, 1], [2, 3], [4, 5]]
    for _, fit, held, _ in splits:
        assert sorted([*fit, *held]) == list(range(6))


def test_official_splits_are_one_pair():
    rows = [("a", None, "train", None), ("a", None, "test", None), ("a", None, "valid", None)]
    ((name, fit, held, _),) = official_splits(items(rows), train=("train",))
    assert (name, fit.tolist(), held.tolist()) == ("test", [0], [1])
    ((name, fit, held, _),) = official_splits(items(rows), train=("train", "test"), test=("valid",))
    assert (name, fit.tolist(), held.tolist()) == ("valid", [0, 1], [2])
    ((_, fit, held, _),) = official_splits(items(rows))
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
    for _, fit, held, _ in splits:
        assert sorted([*fit, *held]) == list(range(16))
        assert not {rows[i][3] for i in fit} & {rows[i][3] for i in held}
    with pytest.raises(DataError, match="class b has one group only"):
        made_splits(items([("a", None, None, None)] * 3 + [("b", None, None, "z")] * 2), 4, 0)


# ---- as the design says


def test_a_design_by_split_keeps_what_chooses_apart_and_leaves_the_rest_out():
    rows = [("a", 1, split, None) for split in ("noisy", "clean", "test", "unused")]
    design = Design(by="split", train=("noisy",), valid=("clean",), test=("test",))
    (split,) = official_splits(items(rows, design=design))
    assert split.valid is not None
    assert (split.train.tolist(), split.valid.tolist(), split.test.tolist()) == ([0], [1], [2])
    (split,) = official_splits(items(rows, design=Design(by="split", valid=("clean",))))
    assert split.train.tolist() == [0, 3]
    with pytest.raises(DataError, match="no item has the split dev; splits there: clean, noisy, test, unused"):
        official_splits(items(rows, design=Design(by="split", valid=("dev",))))
    assert official_splits(items(FOLDS))[0].valid is None


def test_a_design_by_group_tests_each_group_in_turn():
    rows = [(label, 1, None, speaker) for speaker in ("theo", "lucas", "jackson") for label in "ab"]
    splits = official_splits(items(rows, design=Design(by="group")))
    assert [(split.name, split.test.tolist()) for split in splits] == [
        ("jackson", [4, 5]),
        ("lucas", [2, 3]),
        ("theo", [0, 1]),
    ]
    assert all(sorted([*split.train, *split.test]) == list(range(6)) for split in splits)
    with pytest.raises(DataError, match="0 is without a group while others have one"):
        official_splits(items([("a", 1, None, None), *rows], design=Design(by="group")))
    with pytest.raises(DataError, match="no item has a fold, and its folds are to be tested one by one"):
        official_splits(items([("a", None, "test", None)], design=Design(by="fold")))


@pytest.mark.parametrize("sides", [("train", "valid"), ("train", "test"), ("valid", "test")])
def test_a_group_is_on_one_of_three_sides(sides: tuple[str, str]):
    rows = [("a", None, split, split) for split in ("train", "valid", "test")] + [("a", None, s, "g7") for s in sides]
    with pytest.raises(DataError, match="on both sides of a split: group g7;"):
        official_splits(items(rows, design=Design(by="split", valid=("valid",))))
    assert official_splits(items(rows, crossing=1, design=Design(by="split", valid=("valid",))))


# ---- several labels


def test_the_target_is_told_from_the_rows_or_by_the_design():
    one, several = ("a", None, None, None), ("ab", None, None, None)
    assert target_of(items([one])) == "single"
    assert target_of(items([one, several])) == "multi"
    assert target_of(items([one], design=Design(target="multi"))) == "multi"
    heard = Item("1", "1.wav", labels=["a"], events=[Event(0.0, 1.0, "a")])
    assert target_of(Items.from_rows([heard], Path())) == "events"
    assert label_numbers(items([one, several])).tolist() == [[True, False], [True, True]]
    assert label_numbers(items([("b", *one[1:]), one])).tolist() == [1, 0]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sets(st.integers(0, 4)), st.integers(0, 9)), min_size=8, max_size=60),
    n=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_multilabel_folds_use_every_fold_cut_no_group_and_repeat(rows: list, n: int, seed: int):
    labels_NK = np.array([[k in labels for k in range(5)] for labels, _ in rows])
    groups_N = np.unique([group for _, group in rows], return_inverse=True)[1]
    if groups_N.max() + 1 < n:
        with pytest.raises(DataError, match="groups cannot make"):
            grouped_folds(labels_NK, groups_N, n, seed)
        return
    fold_N = multilabel_folds(labels_NK, groups_N, n, seed)
    assert set(fold_N) == set(range(n))
    assert all(len(set(fold_N[groups_N == group])) == 1 for group in set(groups_N))
    assert np.array_equal(fold_N, multilabel_folds(labels_NK, groups_N, n, seed))


def slow_stratification(labels: list[set[int]], n: int) -> list[set[int]]:
    """The algorithm of Sechidis et al. (2011, figure 1), word by word; equals are broken by the lowest number."""
    examples, folds = set(range(len(labels))), [set() for _ in range(n)]
    wanted = [len(labels) / n] * n
    wanted_of = {k: [sum(k in one for one in labels) / n] * n for k in set().union(*labels)}
    while left := {k: {i for i in examples if k in labels[i]} for k in wanted_of}:
        left = {k: members for k, members in left.items() if members}
        if not left:
            break
        label = min(left, key=lambda k: (len(left[k]), k))
        for example in sorted(left[label]):
            best = max(range(n), key=lambda j: (wanted_of[label][j], wanted[j], -j))
            folds[best].add(example)
            examples.remove(example)
            for k in labels[example]:
                wanted_of[k][best] -= 1
            wanted[best] -= 1
    return folds


def test_each_label_is_spread_as_evenly_as_by_the_published_algorithm():
    rng = np.random.default_rng(3)
    labels_NK = rng.random((300, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.03]
    labels_NK[~labels_NK.any(1), 0] = True

    def spread(folds: list) -> float:
        counts_nK = np.array([labels_NK[sorted(fold)].sum(0) for fold in folds])
        return float(np.abs(counts_nK - labels_NK.sum(0) / 5).mean())

    slow = spread(slow_stratification([set(np.flatnonzero(row).tolist()) for row in labels_NK], 5))
    at_random = spread([np.flatnonzero(np.arange(300) % 5 == k) for k in range(5)])
    for seed in range(5):
        fold_N = multilabel_folds(labels_NK, np.arange(300), 5, seed)
        ours = spread([np.flatnonzero(fold_N == k) for k in range(5)])
        assert ours <= slow + 0.15
        assert ours < 0.5 * at_random
    first, other = (multilabel_folds(labels_NK, np.arange(300), 5, seed) for seed in (0, 1))
    assert not np.array_equal(first, other)


def test_with_one_label_each_every_fold_gets_the_same_number():
    labels_NK = np.eye(3, dtype=bool)[np.arange(60) % 3]
    fold_N = multilabel_folds(labels_NK, np.arange(60), 4, 0)
    assert [labels_NK[fold_N == fold].sum(0).tolist() for fold in range(4)] == [[5, 5, 5]] * 4


def test_items_of_several_labels_are_parted_with_a_rare_label_in_few_folds():
    rows = [("a", None, None, None), ("ab", None, None, None)] * 10 + [("ac", None, None, None)] * 2
    splits = made_splits(items(rows), 5, 0)
    assert len(splits) == 5
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(22))
    with pytest.raises(DataError, match="class c has one group only"):
        made_splits(items(rows[:-1]), 5, 0)

"""Folds and splits: official ones as they are, checked; ours grouped, stratified and seeded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.data.items import Item, Items
from audiossl.data.splits import fold_splits, grouped_folds
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
    pairs = fold_splits(items(FOLDS))
    assert [held.tolist() for _, held in pairs] == [[0, 1], [2, 3], [4, 5]]
    for fit, held in pairs:
        assert sorted([*fit, *held]) == list(range(6))


def test_official_splits_are_one_pair():
    rows = [("a", None, "train", None), ("a", None, "test", None), ("a", None, "valid", None)]
    ((fit, held),) = fold_splits(items(rows))
    assert (fit.tolist(), held.tolist()) == ([0], [1])
    ((fit, held),) = fold_splits(items(rows), train=("train", "test"), test=("valid",))
    assert (fit.tolist(), held.tolist()) == ([0, 1], [2])


def test_a_group_on_both_sides_is_refused_by_name_unless_the_manifest_knows():
    rows = [*FOLDS, ("a", 1, None, "rec7"), ("b", 2, None, "rec7")]
    with pytest.raises(DataError, match="group rec7 is on both sides"):
        fold_splits(items(rows))
    assert len(fold_splits(items(rows, crossing=1))) == 3
    with pytest.raises(DataError, match="group g is on both sides"):
        fold_splits(items([("a", None, "train", "g"), ("a", None, "test", "g")]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, None, None), ("b", 2, None, None), ("a", 2, None, None)], "class b is tested in split 2 but never"),
        ([("a", 1, None, None), ("a", None, None, None)], "1 has no fold while others have"),
        ([("a", 1, None, None)], "all rows are in fold 1"),
        ([("a", None, "train", None)], "no row has the split test; splits there: train; no folds"),
        ([("a", None, None, None)], "no row has the split train; splits there: none"),
    ],
)
def test_splits_that_cannot_score_anything_are_refused(rows: list, message: str):
    with pytest.raises(DataError, match=message):
        fold_splits(items(rows))


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.sampled_from("aabbc"), min_size=12, max_size=40),
    groups=st.none() | st.integers(4, 9),
    n=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_grouped_folds_test_each_row_once_and_cut_no_group(labels: list[str], groups: int | None, n: int, seed: int):
    names = None if groups is None else [f"g{i % groups}" for i in range(len(labels))]
    pairs = grouped_folds(labels, names, n, seed)
    assert len(pairs) == n
    assert sorted(np.concatenate([held for _, held in pairs]).tolist()) == list(range(len(labels)))
    for fit, held in pairs:
        assert not set(fit.tolist()) & set(held.tolist())
        if names:
            assert not {names[i] for i in fit} & {names[i] for i in held}
    again = grouped_folds(labels, names, n, seed)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(pairs, again, strict=True))


def test_grouped_folds_spread_classes_evenly_and_change_with_the_seed():
    labels = list("ab" * 20)
    for _, held in grouped_folds(labels, None, 4, 0):
        assert Counter(labels[i] for i in held) == {"a": 5, "b": 5}
    first, other = (grouped_folds(labels, None, 4, seed) for seed in (0, 1))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(DataError, match="2 groups cannot make 3 folds"):
        grouped_folds(list("abab"), list("xxyy"), 3, 0)

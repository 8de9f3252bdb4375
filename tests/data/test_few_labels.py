from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl import rng
from audiossl.data.few_labels import draw_shares, draw_shots

SHOTS = [1, 2, 4, 8]


def one_hot(labels):
    return np.eye(max(labels) + 1, dtype=bool)[list(labels)]


made = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=4, max_size=60)


@settings(max_examples=60, deadline=None)
@given(rows=made, seed=st.integers(0, 99))
def test_shots_are_nested_with_as_many_of_each_class_from_as_many_groups_as_can_be(rows, seed):
    labels, groups = np.array(rows).T
    truth = one_hot(labels)
    draws = draw_shots(truth, groups, SHOTS, rng.numpy_stream(seed))
    for smaller, larger in pairwise(draws):
        assert set(smaller) <= set(larger)
    for shots, kept in zip(SHOTS, draws, strict=True):
        assert sorted(set(kept)) == kept.tolist()
        for label in set(labels):
            mine = kept[labels[kept] == label]
            assert len(mine) == min(shots, (labels == label).sum())
            there = groups[labels == label]
            assert len(set(groups[mine])) == min(len(mine), len(set(there)))
            # No group gives a second item while another, not yet exhausted one has given fewer.
            given_by = {g: (groups[mine] == g).sum() for g in set(there)}
            for n in given_by.values():
                assert all(n <= m + 1 or m == (there == other).sum() for other, m in given_by.items())


@settings(max_examples=60, deadline=None)
@given(rows=made, seed=st.integers(0, 99))
def test_shares_are_nested_exact_in_size_and_proportion(rows, seed):
    labels, groups = np.array(rows).T
    labels = np.unique(labels, return_inverse=True)[1]
    truth, n = one_hot(labels), len(labels)
    sizes = sorted({max(labels) + 1, max(max(labels) + 1, n // 2), n})
    draws = draw_shares(truth, groups, sizes, rng.numpy_stream(seed))
    for smaller, larger in pairwise(draws):
        assert set(smaller) <= set(larger)
    for size, kept in zip(sizes, draws, strict=True):
        assert len(kept) == len(set(kept)) == size
        counts, whole = truth[kept].sum(0), truth.sum(0)
        assert counts.min() >= 1
        # Webster: no class beyond its first item can be more over its share than another is under it.
        over = (counts[counts > 1] - 0.5) / whole[counts > 1]
        under = (counts + 0.5)[counts < whole] / whole[counts < whole]
        assert not len(over) or not len(under) or over.max() <= under.min() + 1e-12


def test_equal_classes_of_which_a_tenth_is_drawn_give_a_tenth_each():
    labels = np.arange(600) % 6
    first, tenth = draw_shares(one_hot(labels), np.arange(600), [6, 60], rng.numpy_stream(0))
    assert np.bincount(labels[first]).tolist() == [1] * 6
    assert np.bincount(labels[tenth]).tolist() == [10] * 6


def test_shares_of_several_labels_keep_proportions_and_no_label_is_left_out():
    stream = np.random.default_rng(0)
    truth = stream.random((3000, 12)) < np.geomspace(0.4, 0.002, 12)
    groups = np.arange(3000) // 2
    small, large = draw_shares(truth, groups, [60, 300], rng.numpy_stream(1))
    assert set(small) <= set(large)
    assert truth[small].any(0).all()
    assert abs(len(small) - 60) <= 6
    assert abs(len(large) - 300) <= 8
    expected = truth.sum(0) / 10
    assert (np.abs(truth[large].sum(0) - expected) <= np.maximum(1.5, 0.05 * expected)).all()
    assert len(np.unique(groups[small])) == len(small)  # no second item of a group


def test_an_item_of_several_labels_counts_for_each():
    truth = np.array([[1, 1], [1, 0], [0, 1], [1, 0], [0, 1]], bool)
    for seed in range(20):
        for shots, kept in zip([1, 2], draw_shots(truth, np.arange(5), [1, 2], rng.numpy_stream(seed)), strict=True):
            assert (truth[kept].sum(0) >= shots).all()


@pytest.mark.parametrize("draw", [draw_shots, draw_shares])
def test_draws_of_other_seeds_differ(draw):
    truth = one_hot(np.arange(80) % 4)
    assert len({draw(truth, np.arange(80), [8], rng.numpy_stream(seed))[0].tobytes() for seed in range(5)}) == 5

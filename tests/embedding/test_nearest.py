"""Search and near-duplicates are exact: equal to slow loops, whatever the blocks, with ties and zeros among rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from audiossl.embedding.near_duplicates import near_duplicates
from audiossl.embedding.nearest import nearest, rounding, similarity, units

RNG = np.random.default_rng(0)
# Small whole numbers: many rows are equal, parallel or zero, and sums are exact in any order.
WHOLE = st.integers(1, 6).flatmap(
    lambda dim: hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(dim)), elements=st.integers(-2, 2))
)


def in_blocks(x_ND, cuts=(), order=None):
    places = np.arange(len(x_ND)) if order is None else order
    return [(part, x_ND[part]) for part in np.split(places, cuts) if len(part)]


def slow(query, x_ND, metric):
    """Similarities one by one, in exact sums of Python."""
    dots = [math.fsum(float(a) * float(b) for a, b in zip(query, row, strict=True)) for row in x_ND]
    if metric == "dot":
        return dots
    squares = [math.fsum(float(a) ** 2 for a in row) for row in x_ND]
    own = math.fsum(float(a) ** 2 for a in query)
    return [
        max(-1.0, min(1.0, dot / math.sqrt(own * square))) if own * square else 0.0
        for dot, square in zip(dots, squares, strict=True)
    ]


@settings(max_examples=100, deadline=None)
@given(WHOLE, st.integers(1, 45), st.sampled_from(["cosine", "dot"]), st.data())
def test_search_is_a_sort_by_similarity_then_row_for_any_blocks(x_ND, k, metric, data):
    query_QD = x_ND[:3]
    order = np.array(data.draw(st.permutations(range(len(x_ND)))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(x_ND)), max_size=4)))
    values = data.draw(st.integers(1, 300))
    found = nearest(query_QD, in_blocks(x_ND, cuts, order), k, metric=metric, values_at_once=values)
    for at, query in enumerate(query_QD):
        near = slow(query, x_ND, metric)
        wanted = sorted(range(len(x_ND)), key=lambda row: (-near[row], row))[:k]
        assert found.rows[at].tolist() == wanted + [-1] * (k - len(wanted))
        assert found.similarities[at, : len(wanted)].tolist() == [near[row] for row in wanted]


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e15])
def test_search_among_ordinary_embeddings_equals_a_full_sort_in_float64(metric, scale):
    x_ND = (RNG.normal(0.3, 1, (3000, 48)) * scale).astype(np.float32)
    found = nearest(x_ND[:7], in_blocks(x_ND, [1000, 1001]), 25, metric=metric, values_at_once=20_000)
    x = x_ND.astype(np.float64)
    if metric == "cosine":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    near = x[:7] @ x.T
    assert (found.rows == np.argsort(-near, axis=1)[:, :25]).all()
    assert np.allclose(found.similarities, -np.sort(-near, axis=1)[:, :25], rtol=1e-12)


def test_a_collapsed_encoder_gives_the_earliest_rows_and_needs_no_more_memory():
    import tracemalloc

    x_ND = np.broadcast_to(RNG.normal(size=64).astype(np.float32), (40_000, 64))
    tracemalloc.start()
    found = nearest(x_ND[:1], in_blocks(x_ND, [9_000]), 5, values_at_once=1 << 18)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.rows.tolist() == [[0, 1, 2, 3, 4]] and (found.similarities == 1).all()
    assert peak < 80 * 2**20


def test_rows_of_the_querys_owner_are_left_out_and_missing_hits_are_marked():
    x_ND = RNG.normal(size=(9, 4)).astype(np.float32)
    owner_N = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    found = nearest(x_ND[[0, 8]], in_blocks(x_ND), 8, own_Q=np.array([0, -1]), owner_N=owner_N)
    assert set(found.rows[0].tolist()) == {3, 4, 5, 6, 7, 8, -1} and found.rows[0, -2:].tolist() == [-1, -1]
    assert np.isneginf(found.similarities[0, -2:]).all()
    assert found.rows[1, 0] == 8 and len(set(found.rows[1].tolist())) == 8


@pytest.mark.parametrize("dim", [2, 64, 512, 2048])
def test_the_stated_rounding_covers_float32_products(dim):
    x_ND = RNG.normal(1.0, 1.0, (40, dim)).astype(np.float32)
    pairs = np.arange(40).repeat(40), np.tile(np.arange(40), 40)
    exact = similarity(x_ND[pairs[0]], x_ND[pairs[1]], "cosine").reshape(40, 40)
    assert np.abs(units(x_ND) @ units(x_ND).T - exact).max() < rounding(dim)


def slow_groups(x_ND, threshold, owner_N=None):
    """Union-find over all pairs."""
    parent = list(range(len(x_ND)))

    def root(row):
        while parent[row] != row:
            row = parent[row]
        return row

    for a in range(len(x_ND)):
        for b, near in enumerate(slow(x_ND[a], x_ND, "cosine")):
            if a < b and near >= threshold and (owner_N is None or owner_N[a] != owner_N[b]):
                parent[max(root(a), root(b))] = min(root(a), root(b))
    groups = {}
    for row in range(len(x_ND)):
        groups.setdefault(root(row), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


@settings(max_examples=100, deadline=None)
@given(WHOLE, st.sampled_from([-1.0, 0.0, 0.5, 0.9, 1.0]), st.integers(1, 50), st.booleans(), st.booleans())
def test_duplicates_are_those_of_a_slow_union_find_for_any_tile(x_ND, threshold, tile, owned, eager):
    owner_N = np.arange(len(x_ND)) // 3 if owned else None
    with pytest.MonkeyPatch.context() as patch:
        if eager:
            patch.setattr("audiossl.embedding.near_duplicates._LINKS_AT_ONCE", 2)
        groups = near_duplicates(x_ND, threshold, owner_N=owner_N, tile=tile)
    assert [group.tolist() for group in groups] == slow_groups(x_ND, threshold, owner_N)


def test_copies_have_a_similarity_of_1_and_not_nearly():
    x_ND = RNG.normal(size=(300, 37)).astype(np.float32)
    groups = near_duplicates(np.concatenate([x_ND, x_ND]), 1.0, tile=100)
    assert [group.tolist() for group in groups] == [[row, row + 300] for row in range(300)]

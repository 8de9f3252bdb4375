from __future__ import annotations

import numpy as np
import pytest

from audiossl.evaluation.heads import neighbours
from audiossl.evaluation.heads.neighbours import votes
from audiossl.evaluation.probes import predict, task_of
from audiossl.evaluation.protocol import load_protocol
from tests.evaluation.made import blobs, items_of


def slow_votes(query, reference, labels, n_classes, k, temperature, own=None, owner=None):
    result = np.zeros((len(query), n_classes))
    for q, x in enumerate(query):
        near = []
        for r, y in enumerate(reference):
            if own is None or own[q] != owner[r]:
                near.append((float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)), r))
        for similarity, r in sorted(near, reverse=True)[:k]:
            result[q, labels[r]] += 1 if temperature is None else np.exp((similarity - 1) / temperature)
    return result


@pytest.mark.parametrize("temperature", [None, 0.07])
@pytest.mark.parametrize("k", [1, 5, 200])
@pytest.mark.parametrize("leave_out", [False, True])
def test_votes_equal_a_slow_loop(monkeypatch, temperature, k, leave_out):
    monkeypatch.setattr(neighbours, "QUERIES_AT_ONCE", 4)
    rng = np.random.default_rng(0)
    query, reference, labels = rng.normal(size=(9, 5)), rng.normal(size=(30, 5)), rng.integers(0, 3, 30)
    owners = {"own_Q": rng.integers(0, 4, 9), "owner_N": rng.integers(0, 4, 30)} if leave_out else {}
    fast = votes(query, reference, labels, 3, k=k, temperature=temperature, **owners)
    np.testing.assert_allclose(
        fast, slow_votes(query, reference, labels, 3, k, temperature, *owners.values()), rtol=1e-9
    )


def test_a_rounds_votes_are_the_same_in_one_part_and_in_many(monkeypatch):
    x, labels, folds = blobs(n=60, folds=2)
    protocol = load_protocol("knn@1")
    task = task_of(protocol, items_of(labels, folds))
    whole = predict(protocol, x, task)
    monkeypatch.setattr(neighbours, "QUERIES_AT_ONCE", 7)
    parts = predict(protocol, x, task)
    assert [len(one.scores) for one in parts] == [len(one.test) for one in task.rounds]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-9)


def test_a_row_of_zeros_has_no_direction_and_no_nan():
    result = votes(np.zeros((1, 3)), np.eye(3), np.arange(3), 3, k=2, temperature=0.07)
    assert np.isfinite(result).all()

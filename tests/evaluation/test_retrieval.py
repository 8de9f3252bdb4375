from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audiossl.errors import UsageError
from audiossl.evaluation.measures import retrieval as module
from audiossl.evaluation.measures.retrieval import rank_queries, retrieval
from audiossl.evaluation.probes import run, task_of
from audiossl.evaluation.protocol import load_protocol
from tests.evaluation.made import blobs, items_of

PROTOCOL = load_protocol("retrieval@1")


def slow_queries(x, truth, groups):
    """Each metric of each query, word by word."""
    found = {name: [] for name in ("retrieval_map", "precision_at_1", "precision_at_10", "r_precision")}
    for query in range(len(x)):
        others = [i for i in range(len(x)) if groups[i] != groups[query]]
        like = {i: float(x[query] @ x[i] / np.linalg.norm(x[query]) / np.linalg.norm(x[i])) for i in others}
        ranked = sorted(others, key=lambda i: -like[i])
        relevant = [bool((truth[query] & truth[i]).any()) for i in ranked]
        n = sum(relevant)
        if n == 0:
            for values in found.values():
                values.append(np.nan)
            continue
        at = [rank for rank, hit in enumerate(relevant, 1) if hit]
        found["retrieval_map"].append(np.mean([sum(relevant[:rank]) / rank for rank in at]))
        found["precision_at_1"].append(float(relevant[0]))
        found["precision_at_10"].append(sum(relevant[:10]) / 10)
        found["r_precision"].append(sum(relevant[:n]) / n)
    return found


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("n", [9, 40])
def test_ranking_equals_a_slow_loop(monkeypatch, several, n):
    monkeypatch.setattr(module, "SIMILARITIES_AT_ONCE", 7 * n)
    rng = np.random.default_rng(n)
    truth = rng.random((n, 4)) < 0.3 if several else np.eye(4, dtype=bool)[rng.integers(0, 4, n)]
    x, groups = rng.normal(size=(n, 3)), rng.integers(0, n // 2, n)
    fast, slow = rank_queries(x, truth, groups), slow_queries(x, truth, groups)
    assert set(fast) == set(slow)
    for name, values in fast.items():
        np.testing.assert_allclose(values, slow[name], rtol=1e-12)


def test_average_precision_equals_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(50, 6)), rng.integers(0, 3, 50)
    found = rank_queries(x, np.eye(3, dtype=bool)[labels], np.arange(50))["retrieval_map"]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for query in range(50):
        others = np.arange(50) != query
        expected = average_precision_score(labels[others] == labels[query], (unit @ unit[query])[others])
        assert found[query] == pytest.approx(expected)


def test_neither_the_query_nor_its_group_is_ever_found():
    """Twins in pairs of one group and other classes about: with the twin every query would be right."""
    rng = np.random.default_rng(2)
    points = rng.normal(size=(20, 8))
    x, labels = np.repeat(points, 2, axis=0), np.repeat(np.arange(20) % 2, 2)
    truth, groups = np.eye(2, dtype=bool)[labels], np.repeat(np.arange(20), 2)
    assert (rank_queries(x, truth, np.arange(40))["precision_at_1"] == 1).all()
    grouped = rank_queries(x, truth, groups)["precision_at_1"]
    alone = rank_queries(points, truth[::2], np.arange(20))["precision_at_1"]
    assert (grouped == np.repeat(alone, 2)).all()
    assert alone.mean() < 1


def test_a_collapsed_encoder_scores_by_chance_however_the_files_lie():
    labels = np.repeat(np.arange(4), 60)
    score = run(PROTOCOL, np.ones((240, 5)), items_of(labels, np.tile([1, 2], 120)))
    assert score.metrics["r_precision"] == pytest.approx(0.25, abs=0.04)
    assert score.metrics["precision_at_10"] == pytest.approx(0.25, abs=0.06)


def test_permuted_labels_give_chance_and_the_score_is_the_mean_over_queries():
    x, labels, folds = blobs(n=240)
    shuffled = np.random.default_rng(5).permutation(labels)
    score = run(PROTOCOL, x, items_of(shuffled, folds))
    assert score.metrics["r_precision"] == pytest.approx(0.25, abs=0.03)
    honest = run(PROTOCOL, x, items_of(labels, folds))
    assert honest.metrics["r_precision"] > 0.4
    low, high = honest.interval
    assert low < honest.value < high
    assert [fold.name for fold in honest.folds] == ["all"]
    standard = (x - x.mean(0)) / x.std(0)
    slow = slow_queries(standard, np.eye(4, dtype=bool)[labels], np.arange(240))
    assert honest.metrics == pytest.approx({name: np.mean(values) for name, values in slow.items()})


def test_queries_without_a_relevant_item_are_told_and_do_not_count():
    x, labels, folds = blobs(n=40)
    task = task_of(PROTOCOL, items_of(labels, folds))
    task = replace(task, groups=np.where(labels == 3, 99, np.arange(40)))  # all of class 3 are one group
    measured = retrieval(PROTOCOL, x, task, 0)
    assert np.isnan(measured.values["retrieval_map"]).tolist() == (labels == 3).tolist()
    assert measured.notes == ["10 of 40 queries have no relevant item in another group and do not count"]
    with pytest.raises(UsageError, match="made: no item has another of its class in another group"):
        retrieval(PROTOCOL, x, replace(task, groups=labels), 0)


def test_only_tested_items_are_queries_and_answers():
    x, labels, _ = blobs(n=80)
    items = items_of(labels, splits=["train"] * 40 + ["test"] * 40)
    score = run(PROTOCOL, x, items)
    assert score.n == 40
    moved = x.copy()
    moved[:40] += 100
    assert run(PROTOCOL, moved, items).metrics == score.metrics

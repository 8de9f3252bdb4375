from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from audiossl.evaluation.measures.multilabel import MultiLabelScores


def made(seed, n=60, k=7, tied=False, rare=0.2):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, k)) < rare
    truth[rng.integers(n, size=k), np.arange(k)] = True
    scores = rng.normal(size=(n, k)) + truth
    return np.round(scores) if tied else scores, truth


def slow_precision(scores, truth, at, weights):
    """Among the entries of a list scored at least as high as entry `at`, the share of positives, written out."""
    over = under = 0.0
    for score, positive, weight in zip(scores, truth, weights, strict=True):
        if score >= scores[at]:
            over, under = over + weight * positive, under + weight
    return over / under


CASES = [(seed, tied) for seed in range(3) for tied in (False, True)]


@pytest.mark.parametrize(("seed", "tied"), CASES)
def test_every_metric_equals_scikit_learn(seed, tied):
    scores, truth = made(seed, tied=tied)
    if tied:
        assert len(np.unique(scores)) < 12
    ours = {name: metric(None) for name, metric in MultiLabelScores(scores, truth).metrics.items()}
    labelled = truth.any(axis=1)
    auc = sk.roc_auc_score(truth, scores, average=None)
    expected = {
        "map_macro": sk.average_precision_score(truth, scores, average="macro"),
        "map_micro": sk.average_precision_score(truth, scores, average="micro"),
        "auc_macro": auc.mean(),
        "dprime_macro": np.mean(np.sqrt(2) * norm.ppf(auc)),
        "lwlrap": sk.label_ranking_average_precision_score(
            truth[labelled], scores[labelled], sample_weight=truth[labelled].sum(axis=1)
        ),
    }
    assert ours == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("seed", "tied"), CASES)
def test_weights_equal_repeated_items(seed, tied):
    scores, truth = made(seed, tied=tied)
    times = np.random.default_rng(seed).multinomial(len(truth), np.full(len(truth), 1 / len(truth)))
    drawn = np.repeat(np.arange(len(truth)), times)
    once, again = MultiLabelScores(scores, truth), MultiLabelScores(scores[drawn], truth[drawn])
    for name, metric in once.metrics.items():
        assert metric(times.astype(float)) == pytest.approx(again.metrics[name](None), abs=1e-12), name


@pytest.mark.parametrize("tied", [False, True])
def test_precisions_equal_slow_loops(tied):
    scores, truth = made(5, n=15, k=4, tied=tied)
    weights = np.random.default_rng(1).integers(1, 4, 15).astype(float)
    slow = []
    for column in range(4):
        of_class = [(i, weights[i]) for i in range(15) if truth[i, column]]
        values = [slow_precision(scores[:, column], truth[:, column], i, weights) * w for i, w in of_class]
        slow.append(sum(values) / sum(w for _, w in of_class))
    ours = MultiLabelScores(scores, truth)
    np.testing.assert_allclose(ours.average_precisions(weights), slow, rtol=1e-12)
    labels = [
        (weights[i], slow_precision(scores[i], truth[i], k, np.ones(4)))
        for i in range(15)
        for k in range(4)
        if truth[i, k]
    ]
    assert ours.lwlrap(weights) == pytest.approx(sum(w * p for w, p in labels) / sum(w for w, _ in labels))


def test_a_class_that_no_item_has_is_left_out_and_counted():
    scores, truth = made(0)
    wider = np.hstack([scores, scores[:, :2]]), np.hstack([truth, np.zeros((60, 2), bool)])
    with_absent, without = MultiLabelScores(*wider), MultiLabelScores(scores, truth)
    assert (with_absent.absent, without.absent) == (2, 0)
    for name in ("map_macro", "auc_macro", "dprime_macro"):
        assert with_absent.metrics[name](None) == without.metrics[name](None)
    full = truth.copy()
    full[:, 0] = True  # no negative item: an average precision of 1, and no ROC curve
    assert MultiLabelScores(scores, full).average_precisions()[0] == 1
    assert MultiLabelScores(scores, full).auc_macro() == pytest.approx(sk.roc_auc_score(truth[:, 1:], scores[:, 1:]))


def test_constant_scores_give_prevalence_and_a_coin():
    _, truth = made(3)
    flat = MultiLabelScores(np.full(truth.shape, -np.inf), truth)
    assert flat.map_macro() == pytest.approx(truth.mean())
    assert flat.auc_macro() == 0.5
    assert flat.dprime_macro() == 0


def test_perfect_scores_have_a_finite_d_prime():
    truth = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], bool)
    perfect = MultiLabelScores(truth.astype(float), truth)
    assert perfect.map_macro() == perfect.auc_macro() == perfect.lwlrap() == 1
    assert perfect.dprime_macro() == pytest.approx(np.sqrt(2) * norm.ppf(1 - 1 / 6))  # three pairs, half a pair short


def test_nothing_to_find_is_no_number():
    empty = MultiLabelScores(np.zeros((3, 2)), np.zeros((3, 2), bool))
    assert all(np.isnan(metric(None)) for metric in empty.metrics.values())

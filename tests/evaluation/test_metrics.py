from __future__ import annotations

import numpy as np
import pytest

from audiossl.evaluation.measures import metrics
from audiossl.evaluation.measures.resampling import resampled


def test_accuracies_of_a_counted_example():
    truth = np.array([0, 0, 0, 0, 1, 1, 3])
    predicted = np.array([0, 0, 0, 1, 1, 0, 3])
    counts = metrics.confusion(truth, predicted, 4)
    assert counts.tolist() == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert metrics.accuracy(counts) == 5 / 7
    assert metrics.macro_accuracy(counts) == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)  # class 2 does not occur
    assert np.isnan(metrics.class_accuracies(counts)[2])


def test_bootstrap_of_single_items_is_binomial():
    rng = np.random.default_rng(0)
    n, p = 400, 0.8
    right = np.zeros(n)
    right[: int(p * n)] = 1
    draws = metrics.fold_bootstrap(right, [np.arange(n)], [np.arange(n)], 20_000, rng)
    assert draws.mean() == pytest.approx(p, abs=1e-3)
    assert draws.std() == pytest.approx((p * (1 - p) / n) ** 0.5, rel=0.03)
    low, high = metrics.interval(draws, 0.95)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.02, rel=0.05)


def test_bootstrap_of_groups_has_as_many_draws_as_groups():
    n, size = 400, 8
    right = np.zeros(n)
    right[:320] = 1  # whole groups right or wrong
    draws = metrics.fold_bootstrap(right, [np.arange(n) // size], [np.arange(n)], 20_000, np.random.default_rng(0))
    assert draws.std() == pytest.approx((0.8 * 0.2 / (n / size)) ** 0.5, rel=0.03)


def test_bootstrap_equals_a_slow_loop(monkeypatch):
    monkeypatch.setattr(metrics, "DRAWS_AT_ONCE", 7)
    rng = np.random.default_rng(3)
    values, groups = rng.normal(size=20), rng.integers(0, 6, 20)
    folds = [np.arange(9), np.arange(9, 20)]
    fast = metrics.fold_bootstrap(values, [groups[f] for f in folds], folds, 5, np.random.default_rng(1))
    again, slow = np.random.default_rng(1), np.zeros(5)
    for fold in folds:
        names = np.unique(groups[fold])
        for draw in range(5):
            times = again.multinomial(len(names), np.full(len(names), 1 / len(names)))
            drawn = [
                v for name, t in zip(names, times, strict=True) for v in list(values[fold][groups[fold] == name]) * t
            ]
            slow[draw] += np.mean(drawn) / 2
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_macro_bootstrap_equals_a_slow_loop():
    rng = np.random.default_rng(3)
    values, groups, classes = rng.random(30), rng.integers(0, 9, 30), rng.integers(0, 4, 30)
    folds = [np.arange(14), np.arange(14, 30)]
    fast = metrics.fold_bootstrap(
        values, [groups[f] for f in folds], folds, 6, np.random.default_rng(1), classes_N=classes
    )
    again, slow = np.random.default_rng(1), np.zeros(6)
    for fold in folds:
        names = np.unique(groups[fold])
        for draw in range(6):
            times = again.multinomial(len(names), np.full(len(names), 1 / len(names)))
            drawn = {}
            for name, t in zip(names, times, strict=True):
                for item in fold[groups[fold] == name]:
                    drawn.setdefault(classes[item], []).extend([values[item]] * t)
            slow[draw] += np.mean([np.mean(v) for v in drawn.values() if v]) / 2
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_macro_bootstrap_of_what_was_right_centres_on_macro_accuracy():
    classes = np.repeat([0, 1, 2], [200, 60, 20])
    right = np.concatenate([np.arange(200) < 180, np.arange(60) < 30, np.arange(20) < 4]).astype(float)
    draws = metrics.fold_bootstrap(
        right, [np.arange(280)], [np.arange(280)], 4000, np.random.default_rng(0), classes_N=classes
    )
    assert draws.mean() == pytest.approx((0.9 + 0.5 + 0.2) / 3, abs=0.005)  # 0.76 is the micro accuracy


def test_alignment_and_uniformity_in_closed_form():
    a = np.array([[1.0, 0.0], [0.0, 2.0]])
    b = np.array([[0.0, 5.0], [0.0, 1.0]])
    assert metrics.alignment(a, b) == pytest.approx((2 + 0) / 2)
    assert metrics.uniformity(np.ones((5, 3))) == pytest.approx(0)
    assert metrics.uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
    assert metrics.uniformity(a) == pytest.approx(-4)


def test_folds_of_one_group_each_have_no_interval():
    values, folds = np.array([1.0, 0, 1, 1]), [np.array([0, 1]), np.array([2, 3])]
    draws = metrics.fold_bootstrap(values, [np.zeros(2, int)] * 2, folds, 50, np.random.default_rng(0))
    assert metrics.interval(draws, 0.95) is None
    again = resampled([[lambda weights: 0.5]] * 2, [np.zeros(2, int)] * 2, 50, np.random.default_rng(0))
    assert metrics.interval(again, 0.95) is None
    two = metrics.fold_bootstrap(values, [np.array([0, 1]), np.zeros(2, int)], folds, 50, np.random.default_rng(0))
    assert metrics.interval(two, 0.95) == (0.5, 1.0)

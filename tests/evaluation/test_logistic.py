from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from audiossl.errors import AudiosslError
from audiossl.evaluation.heads.logistic import fit_path
from tests.evaluation.made import blobs

STRENGTHS = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]


def gradient(head, x, labels, strength):
    """Of mean cross-entropy + |W|^2 / (2 C n), in float64, written out on its own."""
    logits = x @ head.weights + head.bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    error = (p - (labels[:, None] == head.classes[None])) / len(x)
    return np.vstack([x.T @ error + head.weights / (strength * len(x)), error.sum(0)])


@pytest.mark.parametrize("correlated", [False, True])
def test_every_solution_of_the_path_is_optimal(correlated):
    x, labels, _ = blobs()
    if correlated:  # two features nearly equal, one a thousand times smaller than the rest
        x = np.hstack([x, x[:, :1] + 1e-3 * x[:, 1:2], 1e-3 * x[:, 2:3]])
    for head, strength in zip(
        fit_path(x, labels, STRENGTHS, tolerance=1e-6, max_iterations=200), STRENGTHS, strict=True
    ):
        assert np.abs(gradient(head, x, labels, strength)).max() <= 1.01e-6


def test_equals_scikit_learn_at_a_tight_tolerance():
    x, labels, _ = blobs(n=90, classes=3, dim=6)
    strengths = [1e-2, 1.0, 10.0]
    for head, strength in zip(
        fit_path(x, labels, strengths, tolerance=1e-10, max_iterations=200), strengths, strict=True
    ):
        other = LogisticRegression(C=strength, solver="newton-cg", tol=1e-10, max_iter=10_000).fit(x, labels)
        np.testing.assert_allclose(head.weights, other.coef_.T, atol=1e-6)
        np.testing.assert_allclose(head.bias - head.bias.mean(), other.intercept_ - other.intercept_.mean(), atol=1e-6)
        assert (head.predict(x) == other.predict(x)).all()


def test_two_classes_equal_the_binary_form_at_twice_the_strength():
    x, labels, _ = blobs(n=60, classes=2, dim=5)
    (head,) = fit_path(x, labels, [0.5], tolerance=1e-10, max_iterations=200)
    other = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-10, max_iter=10_000).fit(x, labels)
    np.testing.assert_allclose(head.weights[:, 1] - head.weights[:, 0], other.coef_[0], atol=1e-6)


def test_a_start_from_the_solution_before_does_not_move_the_next_one():
    x, labels, _ = blobs()
    warm = fit_path(x, labels, STRENGTHS, tolerance=1e-9, max_iterations=200)[-1]
    (cold,) = fit_path(x, labels, STRENGTHS[-1:], tolerance=1e-9, max_iterations=200)
    np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-5)


def test_labels_that_do_not_occur_are_never_predicted():
    x, labels, _ = blobs(classes=3)
    (head,) = fit_path(x, labels * 2 + 1, [1.0], tolerance=1e-6, max_iterations=200)
    assert set(head.predict(x)) == {1, 3, 5}


def test_not_converging_is_an_error():
    x, labels, _ = blobs()
    with pytest.raises(AudiosslError, match="did not converge in 1 Newton steps"):
        fit_path(x, labels, [1.0], tolerance=1e-6, max_iterations=1)


def several(n=90, dim=6, classes=5, seed=0):
    """Features, and labels of which a class is rare, one common and some heard together."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dim))
    logits = x @ rng.normal(size=(dim, classes)) + np.linspace(-4, 2, classes)
    return x, logits + rng.logistic(size=logits.shape) > 0


def test_several_labels_equal_a_binary_fit_of_each():
    x, truth = several()
    assert truth.sum(axis=0).min() < 12
    assert truth.sum(axis=1).max() > 2
    strengths = [1e-2, 1.0, 10.0]
    path = fit_path(x, truth, strengths, tolerance=1e-10, max_iterations=200)
    for head, strength in zip(path, strengths, strict=True):
        for k, of_class in enumerate(truth.T):
            other = LogisticRegression(C=strength, solver="newton-cg", tol=1e-10, max_iter=10_000).fit(x, of_class)
            np.testing.assert_allclose(head.weights[:, k], other.coef_[0], atol=1e-6)
            assert head.bias[k] == pytest.approx(other.intercept_[0], abs=1e-6)


def test_every_binary_solution_is_optimal_though_classes_leave_at_different_steps():
    x, truth = several(n=300, dim=40, classes=8)
    for head, strength in zip(
        fit_path(x, truth, STRENGTHS, tolerance=1e-6, max_iterations=200), STRENGTHS, strict=True
    ):
        error = (1 / (1 + np.exp(-(x @ head.weights + head.bias))) - truth) / len(x)
        gradient = x.T @ error + head.weights / (strength * len(x))
        # Stopped in principal axes, where no entry is above the tolerance; lengths know of no axes.
        assert np.linalg.norm(gradient, axis=0).max() <= 1.01e-6 * np.sqrt(40)
        assert np.abs(error.sum(axis=0)).max() <= 1.01e-6


def test_labels_that_no_item_or_every_item_has_are_scored_alike_for_all():
    x, truth = several(classes=3)
    wider = np.column_stack([np.zeros(len(x), bool), truth, np.ones(len(x), bool)])
    (head,) = fit_path(x, wider, [1.0], tolerance=1e-6, max_iterations=200)
    logits = head.logits(x, 5)
    assert (logits[:, 0] == -np.inf).all()
    assert (logits[:, 4] == np.inf).all()
    assert np.isfinite(logits[:, 1:4]).all()


def test_with_fewer_items_than_features_the_solution_is_the_same():
    """The fit is then made in the span of the items."""
    x, labels, _ = blobs(n=20, classes=4, dim=60)
    strengths = [1e-2, 1.0]
    for head, strength in zip(
        fit_path(x, labels, strengths, tolerance=1e-9, max_iterations=200), strengths, strict=True
    ):
        assert np.abs(gradient(head, x, labels, strength)).max() <= 2e-9
        other = LogisticRegression(C=strength, solver="newton-cg", tol=1e-10, max_iter=10_000).fit(x, labels)
        np.testing.assert_allclose(head.weights, other.coef_.T, atol=1e-6)

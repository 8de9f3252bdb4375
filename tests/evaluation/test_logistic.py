from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from audiossl.errors import AudiosslError
from audiossl.evaluation.logistic import fit_path
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

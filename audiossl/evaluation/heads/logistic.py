"""Logistic regression, solved to convergence along a path of strengths: multinomial, or each class alone.

The objective is scikit-learn's: mean cross-entropy + |W|^2 / (2 C n), intercepts not penalised. So is the stopping
rule: every entry of the gradient at most `tolerance`. How it is solved: `newton.py`.

With two classes the multinomial form is still the softmax, which equals scikit-learn's binary form at twice the C.

Letters: N items, D features, R principal axes, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from audiossl.evaluation.heads.newton import Binary, Bools, Doubles, Ints, Multinomial, Problem, solve


@dataclass(frozen=True)
class LinearClassifier:
    """A fitted linear head: the class with the largest `x @ weights + bias` wins."""

    weights: Doubles
    """(D, K)."""
    bias: Doubles
    classes: Ints
    """The label of each column."""
    always: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """Labels that every training item had, beside others."""

    def logits(self, x_ND: Doubles, n_classes: int) -> Doubles:
        """Logits (N, K) of `n_classes` classes.

        Minus infinity for those that never occurred in training, infinity for those that every item had.
        """
        logits_NK = np.full((len(x_ND), n_classes), -np.inf)
        logits_NK[:, self.always] = np.inf
        logits_NK[:, self.classes] = x_ND @ self.weights + self.bias
        return logits_NK

    def predict(self, x_ND: Doubles) -> Ints:
        """The label of each row of `x_ND`, shape (N,)."""
        labels: Ints = self.classes[np.argmax(x_ND @ self.weights + self.bias, axis=1)]
        return labels


def fit_path(
    x_ND: Doubles, labels: Ints | Bools, strengths: Sequence[float], *, tolerance: float, max_iterations: int
) -> list[LinearClassifier]:
    """Fit one classifier for every C of `strengths`.

    Args:
        x_ND: standardised features, float64.
        labels: one integer per item (N,), or which item has which label (N, K). Only classes that some items are of,
            and of the latter form others are not, get a column.
        strengths: values of C, ascending so that each solution is a good start for the next.
        tolerance: largest entry of the gradient of the mean objective at the solution.
        max_iterations: Newton steps per C.

    Raises:
        AudiosslError: some C did not converge within `max_iterations`.
    """
    axes_DR, spectrum_R = _principal_axes(x_ND)
    always = np.empty(0, np.int64)
    problem: Problem
    if labels.ndim == 1:
        classes_K, column_N = np.unique(labels, return_inverse=True)
        problem = Multinomial(x_ND @ axes_DR, np.eye(len(classes_K))[column_N], spectrum_R)
    else:
        share_K = labels.mean(axis=0)
        classes_K, always = np.flatnonzero((share_K > 0) & (share_K < 1)), np.flatnonzero(share_K == 1)
        problem = Binary(x_ND @ axes_DR, labels[:, classes_K].astype(np.float64), spectrum_R)
    w = np.zeros((len(spectrum_R) + 1, len(classes_K)))
    fitted = []
    for strength in strengths:
        w = solve(problem, w, strength, tolerance, max_iterations)
        fitted.append(LinearClassifier(axes_DR @ w[:-1], w[-1].copy(), classes_K.astype(np.int64), always))
    return fitted


def _principal_axes(x_ND: Doubles) -> tuple[Doubles, Doubles]:
    """Orthonormal axes (D, R) and the mean square along each (R,), R the smaller of N and D.

    With fewer items than features the axes span the items alone: penalised weights have no part outside of that.
    """
    n, dim = x_ND.shape
    if n >= dim:
        spectrum_D, axes_DD = np.linalg.eigh(x_ND.T @ x_ND / n)
        return axes_DD, spectrum_D
    span_DN, _ = np.linalg.qr(x_ND.T)
    inside_NN = x_ND @ span_DN
    spectrum_N, turned_NN = np.linalg.eigh(inside_NN.T @ inside_NN / n)
    return span_DN @ turned_NN, spectrum_N

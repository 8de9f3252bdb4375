"""Multinomial logistic regression, solved to convergence along a path of regularisation strengths.

The objective is scikit-learn's: mean cross-entropy + |W|^2 / (2 C n), intercepts not penalised. So is the stopping
rule: every entry of the gradient at most `tolerance`. The method is truncated Newton (conjugate gradients on the
Hessian, as in scikit-learn's `newton-cg`), made faster in three ways that do not move the solution: the features are
rotated to their principal axes, where a diagonal preconditioner is a good one; each C starts from the solution of the
one before; and Hessian products, which only choose the direction, are in float32, while the loss and the gradient,
which decide, are in float64.

With two classes this is still the softmax form, which equals scikit-learn's binary form at twice the C.

Letters: N items, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiossl.errors import AudiosslError

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

ARMIJO = 1e-4
FORCING = 0.1
"""A more exact direction costs more than the Newton steps it saves (1e-3: 1.3 to 2.3 times the time on ESC-50)."""
ROUNDING = 1e-14
"""Relative error of the float64 loss, below which a line search cannot see a decrease."""


@dataclass(frozen=True)
class LinearClassifier:
    """A fitted linear head: the class with the largest `x @ weights + bias` wins."""

    weights: Doubles
    """(D, K)."""
    bias: Doubles
    classes: Ints
    """The label of each column."""

    def logits(self, x_ND: Doubles, n_classes: int) -> Doubles:
        """Logits (N, K) of `n_classes` classes; minus infinity for those that never occurred in training."""
        logits_NK = np.full((len(x_ND), n_classes), -np.inf)
        logits_NK[:, self.classes] = x_ND @ self.weights + self.bias
        return logits_NK

    def predict(self, x_ND: Doubles) -> Ints:
        """The label of each row of `x_ND`, shape (N,)."""
        labels: Ints = self.classes[np.argmax(x_ND @ self.weights + self.bias, axis=1)]
        return labels


def fit_path(
    x_ND: Doubles, labels_N: Ints, strengths: Sequence[float], *, tolerance: float, max_iterations: int
) -> list[LinearClassifier]:
    """Fit one classifier for every C of `strengths`.

    Args:
        x_ND: standardised features, float64.
        labels_N: integer labels; only those that occur get a column.
        strengths: values of C, ascending so that each solution is a good start for the next.
        tolerance: largest entry of the gradient of the mean objective at the solution.
        max_iterations: Newton steps per C.

    Raises:
        AudiosslError: some C did not converge within `max_iterations`.
    """
    classes_K, column_N = np.unique(labels_N, return_inverse=True)
    spectrum_D, axes_DD = np.linalg.eigh(x_ND.T @ x_ND / len(x_ND))
    problem = _Problem(x_ND @ axes_DD, column_N, len(classes_K), np.maximum(spectrum_D, 0.0))
    w = np.zeros((x_ND.shape[1] + 1, len(classes_K)))
    fitted = []
    for strength in strengths:
        w = _newton(problem, w, strength, tolerance, max_iterations)
        fitted.append(LinearClassifier(axes_DD @ w[:-1], w[-1].copy(), classes_K))
    return fitted


class _Problem:
    """The data in principal axes with a column of ones for the intercept; w has shape (D + 1, K)."""

    def __init__(self, rotated_ND: Doubles, column_N: Ints, n_classes: int, spectrum_D: Doubles) -> None:
        self.n = len(rotated_ND)
        self.x: Doubles = np.hstack([rotated_ND, np.ones((self.n, 1))])
        self.x32: Singles = self.x.astype(np.float32)
        self.column_N = column_N
        self.one_hot_NK: Doubles = np.eye(n_classes)[column_N]
        self.spectrum: Doubles = np.append(spectrum_D, 1.0)[:, None]

    def penalty(self, strength: float) -> Doubles:
        """1 / (C n) for every weight, 0 for the intercept; shape (D + 1, 1)."""
        penalty = np.full_like(self.spectrum, 1.0 / (strength * self.n))
        penalty[-1] = 0.0
        return penalty

    def evaluate(self, w: Doubles, penalty: Doubles) -> tuple[float, Doubles, Doubles]:
        """Loss, gradient (D + 1, K) and class probabilities (N, K) at `w`."""
        logits_NK = self.x @ w
        top_N1 = logits_NK.max(axis=1, keepdims=True)
        p_NK = np.exp(logits_NK - top_N1)
        sum_N1 = p_NK.sum(axis=1, keepdims=True)
        p_NK /= sum_N1
        own_N = logits_NK[np.arange(self.n), self.column_N]
        loss = float((np.log(sum_N1) + top_N1)[:, 0].mean() - own_N.mean() + 0.5 * (penalty * w * w).sum())
        return loss, self.x.T @ (p_NK - self.one_hot_NK) / self.n + penalty * w, p_NK

    def direction(self, gradient: Doubles, p_NK: Doubles, penalty: Doubles) -> Doubles:
        """Solve Hessian @ step = -gradient to the relative residual `FORCING` by conjugate gradients."""
        p32, penalty32 = p_NK.astype(np.float32), penalty.astype(np.float32)
        # In principal axes the block of class k is nearly diagonal: variance along the axis times mean p (1 - p).
        curvature = self.spectrum * (p_NK * (1.0 - p_NK)).mean(axis=0) + penalty
        inverse: Singles = (1.0 / np.maximum(curvature, 1e-12)).astype(np.float32)
        residual: Singles = -gradient.astype(np.float32)
        step: Singles = np.zeros_like(residual)
        scaled = inverse * residual
        search = scaled.copy()
        norm = start = float(np.vdot(residual, scaled))
        for _ in range(10 * gradient.shape[0]):
            towards_NK = self.x32 @ search
            towards_NK -= (p32 * towards_NK).sum(axis=1, keepdims=True)
            product = self.x32.T @ (p32 * towards_NK) / np.float32(self.n) + penalty32 * search
            bend = float(np.vdot(search, product))
            if bend <= 0:  # a direction in which all classes move alike: the loss is flat there
                break
            length = np.float32(norm / bend)
            step += length * search
            residual -= length * product
            scaled = inverse * residual
            previous, norm = norm, float(np.vdot(residual, scaled))
            if norm <= FORCING**2 * start:
                break
            search = scaled + np.float32(norm / previous) * search
        return step.astype(np.float64)


def _newton(problem: _Problem, w: Doubles, strength: float, tolerance: float, max_iterations: int) -> Doubles:
    penalty = problem.penalty(strength)
    loss, gradient, p_NK = problem.evaluate(w, penalty)
    for _ in range(max_iterations):
        largest = float(np.abs(gradient).max())
        if largest <= tolerance:
            return w
        step = problem.direction(gradient, p_NK, penalty)
        slope = float(np.vdot(gradient, step))
        length = 1.0
        while True:
            trial = w + length * step
            trial_loss, trial_gradient, trial_p_NK = problem.evaluate(trial, penalty)
            if trial_loss <= loss + ARMIJO * length * slope + ROUNDING * abs(loss) or length < 1e-10:
                break
            length /= 2
        w, loss, gradient, p_NK = trial, trial_loss, trial_gradient, trial_p_NK
    raise AudiosslError(
        f"the logistic regression at C = {strength:g} did not converge in {max_iterations} Newton steps "
        f"(largest gradient {np.abs(gradient).max():.1e}, wanted {tolerance:.1e}); raise max_iterations in the protocol"
    )

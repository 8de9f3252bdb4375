"""Truncated Newton for the logistic regression: conjugate gradients on the Hessian, as in scikit-learn's `newton-cg`.

Three things make it faster and do not move the solution: the features are rotated to their principal axes, where a
diagonal preconditioner is a good one; a path of C starts each from the solution of the one before; and Hessian
products, which only choose the direction, are in float32, while the loss and the gradient, which decide, are in
float64.

The binary problems of several classes are solved at once, by the same matrix products: each has step lengths of its
own, and leaves when it has converged.

Letters: N items, D features, K classes, B blocks of classes that are solved apart: 1 (multinomial) or K.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from audiossl.errors import AudiosslError

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ARMIJO = 1e-4
FORCING = 0.1
"""A more exact direction costs more than the Newton steps it saves (1e-3: 1.3 to 2.3 times the time on ESC-50)."""
ROUNDING = 1e-14
"""Relative error of the float64 loss, below which a line search cannot see a decrease."""


class Problem(ABC):
    """The data in principal axes with a column of ones for the intercept; w has shape (D + 1, K)."""

    def __init__(self, rotated_ND: Doubles, targets_NK: Doubles, spectrum_D: Doubles) -> None:
        self.n = len(rotated_ND)
        self.x: Doubles = np.hstack([rotated_ND, np.ones((self.n, 1))])
        self.x32: Singles = self.x.astype(np.float32)
        self.targets_NK = targets_NK
        self.spectrum: Doubles = np.append(np.maximum(spectrum_D, 0.0), 1.0)[:, None]

    @abstractmethod
    def _losses(self, logits_NK: Doubles, targets_NK: Doubles) -> tuple[Doubles, Doubles]:
        """Mean cross-entropy of each block (B,), and probabilities (N, K)."""

    @abstractmethod
    def _bend(self, p_NK: Singles, towards_NK: Singles) -> Singles:
        """The second derivative of the cross-entropy by the logits, times a change of these; may overwrite it."""

    @abstractmethod
    def _dot(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> Doubles:
        """The scalar product within each block (B,)."""

    @abstractmethod
    def _largest(self, gradient: Doubles) -> Doubles:
        """The largest entry of each block (B,)."""

    def penalty(self, strength: float) -> Doubles:
        """1 / (C n) for every weight, 0 for the intercept; shape (D + 1, 1)."""
        penalty = np.full_like(self.spectrum, 1.0 / (strength * self.n))
        penalty[-1] = 0.0
        return penalty

    def evaluate(self, w: Doubles, penalty: Doubles, columns: Ints) -> tuple[Doubles, Doubles, Doubles]:
        """Losses (B,), gradient (D + 1, K) and class probabilities (N, K) of the classes `columns` at `w`."""
        targets_NK = self.targets_NK if len(columns) == self.targets_NK.shape[1] else self.targets_NK[:, columns]
        loss_B, p_NK = self._losses(self.x @ w, targets_NK)
        return (
            loss_B + 0.5 * self._dot(penalty * w, w),
            self.x.T @ (p_NK - targets_NK) / self.n + penalty * w,
            p_NK,
        )

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
        norm_B = start_B = self._dot(residual, scaled)
        open_B = np.ones(len(norm_B), np.bool_)
        for _ in range(10 * gradient.shape[0]):
            bent_NK = self._bend(p32, self.x32 @ search)
            product = self.x32.T @ bent_NK / np.float32(self.n) + penalty32 * search
            bend_B = self._dot(search, product)
            open_B &= bend_B > 0  # not so in a direction in which all classes move alike: the loss is flat there
            if not open_B.any():
                break
            length_B = _quotient(norm_B, bend_B, open_B)
            step += length_B * search
            residual -= length_B * product
            scaled = inverse * residual
            previous_B, norm_B = norm_B, self._dot(residual, scaled)
            open_B &= norm_B > FORCING**2 * start_B
            if not open_B.any():
                break
            search = scaled + _quotient(norm_B, previous_B, open_B) * search
        return step.astype(np.float64)


class Multinomial(Problem):
    """One label per item: the classes share each item's probability, so they are one block."""

    def _losses(self, logits_NK: Doubles, targets_NK: Doubles) -> tuple[Doubles, Doubles]:
        top_N1 = logits_NK.max(axis=1, keepdims=True)
        p_NK = np.exp(logits_NK - top_N1)
        sum_N1 = p_NK.sum(axis=1, keepdims=True)
        p_NK /= sum_N1
        own_N = logits_NK[targets_NK.astype(np.bool_)]
        return np.atleast_1d((np.log(sum_N1) + top_N1)[:, 0].mean() - own_N.mean()), p_NK

    def _bend(self, p_NK: Singles, towards_NK: Singles) -> Singles:
        towards_NK -= (p_NK * towards_NK).sum(axis=1, keepdims=True)
        return p_NK * towards_NK

    def _dot(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> Doubles:
        return np.array([np.vdot(a, b)], np.float64)

    def _largest(self, gradient: Doubles) -> Doubles:
        return np.atleast_1d(np.abs(gradient).max())


class Binary(Problem):
    """Any number of labels per item: each class is a block."""

    def _losses(self, logits_NK: Doubles, targets_NK: Doubles) -> tuple[Doubles, Doubles]:
        from scipy.special import expit

        return (np.logaddexp(0.0, logits_NK) - targets_NK * logits_NK).mean(axis=0), expit(logits_NK)

    def _bend(self, p_NK: Singles, towards_NK: Singles) -> Singles:
        towards_NK *= p_NK * (1 - p_NK)
        return towards_NK

    def _dot(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> Doubles:
        dot_B: Doubles = np.einsum("dk,dk->k", a, b).astype(np.float64)
        return dot_B

    def _largest(self, gradient: Doubles) -> Doubles:
        largest_B: Doubles = np.abs(gradient).max(axis=0)
        return largest_B


def _quotient(over_B: Doubles, under_B: Doubles, where_B: Bools) -> Singles:
    return np.divide(over_B, under_B, out=np.zeros_like(over_B), where=where_B).astype(np.float32)


def solve(problem: Problem, w: Doubles, strength: float, tolerance: float, max_iterations: int) -> Doubles:
    """The weights and intercepts (D + 1, K) that are best for C = `strength`, from the start `w`.

    Raises:
        AudiosslError: the gradient has an entry above `tolerance` after `max_iterations` steps.
    """
    penalty, w = problem.penalty(strength), w.copy()
    columns = np.arange(w.shape[1])
    loss_B, gradient, p_NK = problem.evaluate(w, penalty, columns)
    for _ in range(max_iterations):
        open_B = problem._largest(gradient) > tolerance
        if not open_B.any():
            return w
        if not open_B.all():
            columns, loss_B, gradient, p_NK = columns[open_B], loss_B[open_B], gradient[:, open_B], p_NK[:, open_B]
        step = problem.direction(gradient, p_NK, penalty)
        slope_B, length_B, start = problem._dot(gradient, step), np.ones(len(loss_B)), w[:, columns]
        while True:
            trial = start + length_B * step
            trial_loss_B, gradient, p_NK = problem.evaluate(trial, penalty, columns)
            enough_B = trial_loss_B <= loss_B + ARMIJO * length_B * slope_B + ROUNDING * np.abs(loss_B)
            enough_B |= length_B < 1e-10
            if enough_B.all():
                break
            length_B[~enough_B] /= 2
        w[:, columns], loss_B = trial, trial_loss_B
    raise AudiosslError(
        f"the logistic regression at C = {strength:g} did not converge in {max_iterations} Newton steps "
        f"(largest gradient {np.abs(gradient).max():.1e}, wanted {tolerance:.1e}); raise max_iterations in the protocol"
    )

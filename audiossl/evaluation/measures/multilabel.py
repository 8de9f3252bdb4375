"""Metrics of items with several labels each: mAP, AUC, d' and lwlrap.

All of them ask, at each label that an item has, what is scored at least as high. That is ranked once per class or per
item; weights of the items then change every metric at the cost of two cumulative sums, which is what makes a bootstrap
of the metric itself possible. Equal scores share a place, as in scikit-learn.

Letters: N items, K classes, R rows, M entries of a row, P positive entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.measures.resampling import Metric

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Ranking:
    """The positive entries of each row, by place from the highest score down.

    Attributes:
        row: the row of each positive entry (P,), ascending.
        entry: which entry of its row it is (P,).
    """

    def __init__(self, scores_RM: Floats, truth_RM: Bools) -> None:
        n = scores_RM.shape[1]
        self._order_RM = np.argsort(-scores_RM, axis=1)
        ordered_RM = np.take_along_axis(scores_RM, self._order_RM, axis=1)
        differs_RM = ordered_RM[:, 1:] != ordered_RM[:, :-1]
        edge_R1 = np.ones((len(scores_RM), 1), np.bool_)
        places_M = np.arange(n)
        first_RM = np.maximum.accumulate(np.where(np.hstack([edge_R1, differs_RM]), places_M, 0), axis=1)
        last_RM = np.where(np.hstack([differs_RM, edge_R1]), places_M, n)
        last_RM = np.minimum.accumulate(last_RM[:, ::-1], axis=1)[:, ::-1]
        self.row, place_P = np.nonzero(np.take_along_axis(truth_RM, self._order_RM, axis=1))
        self.entry = self._order_RM[self.row, place_P]
        self._first_P, self._last_P = first_RM[self.row, place_P], last_RM[self.row, place_P]
        tied_P = self.row * n + self._last_P
        self._before_P = np.searchsorted(tied_P, tied_P, side="left")
        self._upto_P = np.searchsorted(tied_P, tied_P, side="right")
        self._start_P = np.searchsorted(self.row, self.row, side="left")

    def above(self, weights_M: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Weights above each positive entry, each (P,).

        Returns:
            Of all entries scored at least as high, of the positive ones among these, and both for entries scored
            strictly higher.
        """
        all_RM1 = np.zeros((len(self._order_RM), self._order_RM.shape[1] + 1))
        np.cumsum(weights_M[self._order_RM], axis=1, out=all_RM1[:, 1:])
        hits = np.append(0.0, np.cumsum(weights_M[self.entry]))
        own_P = hits[self._start_P]
        return (
            all_RM1[self.row, self._last_P + 1],
            hits[self._upto_P] - own_P,
            all_RM1[self.row, self._first_P],
            hits[self._before_P] - own_P,
        )

    def precision(self, weights_M: Floats) -> Floats:
        """The share (P,) of positives among what is scored at least as high as each; 0 where that weighs nothing."""
        all_P, hits_P, _, _ = self.above(weights_M)
        return np.divide(hits_P, all_P, out=np.zeros_like(hits_P), where=all_P > 0)


@dataclass(frozen=True)
class MultiLabelScores:
    """Scores of items against the labels that they have.

    A class without a positive item (for AUC also: without a negative one) is left out of a macro average; where no
    class is left the metric is NaN.
    """

    scores: Floats
    """(N, K): any real numbers, minus infinity too; only their order counts."""
    truth: Bools
    """(N, K)."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric by its name."""
        names = ("map_macro", "map_micro", "auc_macro", "dprime_macro", "lwlrap")
        return {name: getattr(self, name) for name in names}

    @property
    def absent(self) -> int:
        """How many classes no item has."""
        return int((~self.truth.any(axis=0)).sum())

    @cached_property
    def _by_class(self) -> Ranking:
        return Ranking(np.ascontiguousarray(self.scores.T), np.ascontiguousarray(self.truth.T))

    @cached_property
    def _pooled(self) -> Ranking:
        return Ranking(self.scores.reshape(1, -1), self.truth.reshape(1, -1))

    @cached_property
    def _label_precisions(self) -> tuple[Floats, Ints]:
        """Of each item the sum of the precisions at its labels, and how many it has (N,)."""
        ranked = Ranking(self.scores, self.truth)
        precision_P = ranked.precision(np.ones(self.truth.shape[1]))
        counts_N: Ints = self.truth.sum(axis=1, dtype=np.int64)
        return np.bincount(ranked.row, precision_P, minlength=len(self.truth)).astype(np.float64), counts_N

    def _weights(self, weights_N: Floats | None) -> Floats:
        return np.ones(len(self.truth)) if weights_N is None else weights_N

    def average_precisions(self, weights_N: Floats | None = None) -> Floats:
        """Average precision of each class (K,): the mean over its items of the precision at their scores.

        That is the sum of precision times growth of recall, without interpolation. NaN for a class that no item has.
        """
        weights_N, ranked = self._weights(weights_N), self._by_class
        own_P = weights_N[ranked.entry]
        return _ratio(
            np.bincount(ranked.row, own_P * ranked.precision(weights_N), minlength=self.truth.shape[1]),
            np.bincount(ranked.row, own_P, minlength=self.truth.shape[1]),
        )

    def map_macro(self, weights_N: Floats | None = None) -> float:
        """Mean over classes of `average_precisions`."""
        return _mean(self.average_precisions(weights_N))

    def map_micro(self, weights_N: Floats | None = None) -> float:
        """Average precision of all (item, class) pairs in one ranking."""
        weights = np.repeat(self._weights(weights_N), self.truth.shape[1])
        own_P = weights[self._pooled.entry]
        return float(_ratio((own_P * self._pooled.precision(weights)).sum(), own_P.sum()))

    def _areas(self, weights_N: Floats | None) -> tuple[Floats, Floats]:
        """Of each class (K,) the area under the ROC curve, NaN without both kinds of items, and the pairs it counts."""
        weights_N, ranked, n_classes = self._weights(weights_N), self._by_class, self.truth.shape[1]
        own_P = weights_N[ranked.entry]
        positive_K = np.bincount(ranked.row, own_P, minlength=n_classes)
        negative_K = weights_N.sum() - positive_K
        all_P, hits_P, all_higher_P, hits_higher_P = ranked.above(weights_N)
        # Of the negative items a positive one beats those below it, and half of those beside it.
        lost_P = ((all_P - hits_P) + (all_higher_P - hits_higher_P)) / 2
        won_K = np.bincount(ranked.row, own_P * (negative_K[ranked.row] - lost_P), minlength=n_classes)
        return _ratio(won_K, positive_K * negative_K), positive_K * negative_K

    def auc_macro(self, weights_N: Floats | None = None) -> float:
        """Mean over classes of the area under the ROC curve."""
        return _mean(self._areas(weights_N)[0])

    def dprime_macro(self, weights_N: Floats | None = None) -> float:
        """Mean over classes of d' = sqrt(2) Phi^-1(AUC), as FSD50K and HEAR average it.

        A perfect class has no finite d': AUC is kept half a pair of items away from 0 and 1, the usual correction
        (Macmillan and Kaplan 1985).
        """
        from scipy.stats import norm

        area_K, pairs_K = self._areas(weights_N)
        half_K = 0.5 / np.maximum(pairs_K, 1.0)
        return _mean(np.sqrt(2.0) * norm.ppf(np.clip(area_K, half_K, 1.0 - half_K)))

    def lwlrap(self, weights_N: Floats | None = None) -> float:
        """Label-weighted label-ranking average precision (DCASE 2019, task 2).

        The mean, over all labels of all items, of the precision among the item's classes scored at least as high.
        """
        sums_N, labels_N = self._label_precisions
        weights_N = self._weights(weights_N)
        return float(_ratio(weights_N @ sums_N, weights_N @ labels_N))


def _ratio(over: Any, under: Any) -> Floats:
    ratio: Floats = np.divide(over, under, out=np.full(np.shape(over), np.nan), where=np.asarray(under) > 0)
    return ratio


def _mean(values_K: Floats) -> float:
    known_K = values_K[~np.isnan(values_K)]
    return float(known_K.mean()) if len(known_K) else float("nan")

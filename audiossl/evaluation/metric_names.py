"""The metrics that protocols and manifests may name, and how each is read. Imports neither torch nor NumPy."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Metric = Literal[
    "accuracy", "macro_accuracy",
    "map_macro", "map_micro", "auc_macro", "dprime_macro", "lwlrap",
    "onset_f1", "segment_f1", "segment_error_rate",
    "nmi", "ari", "purity",
    "retrieval_map", "precision_at_1", "precision_at_10", "r_precision",
]  # fmt: skip

METRICS: frozenset[Metric] = frozenset(get_args(Metric))
CLUSTERING: frozenset[Metric] = frozenset({"nmi", "ari", "purity"})
RETRIEVAL: frozenset[Metric] = frozenset({"retrieval_map", "precision_at_1", "precision_at_10", "r_precision"})


class Reading(NamedTuple):
    """How a metric is shown.

    Attributes:
        title: for the head of a column.
        percent: a share, shown times 100 with one decimal; otherwise as it is, with three.
        higher: whether more is better.
    """

    title: str
    percent: bool = True
    higher: bool = True

    def show(self, value: float) -> str:
        """The value as a reader of the table sees it."""
        return f"{100 * value:.1f}" if self.percent else f"{value:.3f}"


READINGS: dict[str, Reading] = {
    "accuracy": Reading("accuracy"),
    "macro_accuracy": Reading("macro accuracy"),
    "map_macro": Reading("mAP"),
    "map_micro": Reading("micro mAP"),
    "auc_macro": Reading("AUC"),
    "dprime_macro": Reading("d'", percent=False),
    "lwlrap": Reading("lwlrap"),
    "onset_f1": Reading("onset F1"),
    "segment_f1": Reading("segment F1"),
    "segment_error_rate": Reading("segment ER", percent=False, higher=False),
    "nmi": Reading("NMI"),
    "ari": Reading("ARI"),
    "purity": Reading("purity"),
    "retrieval_map": Reading("retrieval mAP"),
    "precision_at_1": Reading("P@1"),
    "precision_at_10": Reading("P@10"),
    "r_precision": Reading("R-precision"),
}
assert set(READINGS) == METRICS

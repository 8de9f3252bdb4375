"""Do clusters found without labels agree with the classes?

Letters: N items, D dimensions, C clusters, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audiossl.evaluation.heads.neighbours import unit_rows
from audiossl.evaluation.heads.scaling import Doubles, fit_scaler
from audiossl.evaluation.measures.whole import Measured
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.parts import KMeansConfig
from audiossl.evaluation.task import Task

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


def clustering(protocol: Protocol, x_ND: Doubles, task: Task, seed: int) -> Measured:
    """Normalised mutual information, adjusted Rand index and purity of k-means clusters of the tested items."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    tested = task.tested
    labels_N = task.labels[tested]
    scaled_ND = fit_scaler(protocol, x_ND[tested])(x_ND[tested])
    assert isinstance(protocol.head, KMeansConfig)
    clusters_N = k_means(unit_rows(scaled_ND), len(np.unique(labels_N)), protocol.head, seed)
    return Measured(
        {
            "nmi": float(normalized_mutual_info_score(labels_N, clusters_N)),
            "ari": float(adjusted_rand_score(labels_N, clusters_N)),
            "purity": purity(labels_N, clusters_N),
        }
    )


def k_means(x_ND: Floats, k: int, config: KMeansConfig, seed: int) -> Ints:
    """The cluster of each item (N,): `k` of them, or fewer where there are fewer distinct items (a collapsed encoder).

    Args:
        x_ND: embeddings.
        k: number of clusters.
        config: restarts and iterations.
        seed: of the starts.
    """
    from sklearn.cluster import KMeans

    k = min(k, len(np.unique(x_ND, axis=0)))
    clusters_N: Ints = KMeans(k, n_init=config.restarts, max_iter=config.max_iterations, random_state=seed).fit_predict(
        x_ND
    )
    return clusters_N


def purity(labels_N: Ints, clusters_N: Ints) -> float:
    """The share of items that are of the commonest class of their cluster (Manning et al. 2008, ch. 16.3).

    It grows with the number of clusters, so compare only at equal numbers.
    """
    from sklearn.metrics.cluster import contingency_matrix

    counts_KC = contingency_matrix(labels_N, clusters_N)
    return float(counts_KC.max(axis=0).sum() / len(labels_N))

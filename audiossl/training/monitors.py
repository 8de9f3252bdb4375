"""Is it learning, and did it collapse? Measures that need no labels, and a kNN probe where there are some.

Shapes: N clips, D embedding size.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.recipe.training import MonitorConfig


def effective_rank(z_ND: Tensor) -> float:
    """RankMe (Garrido et al. 2023): exp of the entropy of the normalised singular values, between 1 and min(N, D).

    1 when all embeddings lie on one line through the origin.
    """
    singular = torch.linalg.svdvals(z_ND.double())
    total = singular.sum()
    if total <= 0:
        return 1.0
    share = singular / total + 1e-7
    return float(torch.exp(-(share * share.log()).sum()))


def scaled_std(z_ND: Tensor) -> float:
    """Mean deviation of the L2-normalised dimensions times sqrt(D): 1 when they fill the sphere, 0 when collapsed."""
    z = F.normalize(z_ND.double(), dim=1)
    return float(z.std(dim=0, correction=0).mean() * z.shape[1] ** 0.5)


def knn_accuracy(z_ND: Tensor, labels_N: Tensor, groups_N: Tensor, k: int) -> float:
    """Share of clips whose label wins a similarity-weighted vote of its k nearest neighbours from other groups.

    Args:
        z_ND: embeddings; cosine similarity is used, a vote weighs exp(similarity / 0.07).
        labels_N: class numbers; -1 means unlabelled: such a clip neither votes nor counts.
        groups_N: clips of one group (recording, fold) never vote for each other.
        k: neighbours.
    """
    labelled = labels_N >= 0
    z, labels, groups = F.normalize(z_ND.float(), dim=1)[labelled], labels_N[labelled], groups_N[labelled]
    similarity = (z @ z.T).masked_fill(groups[:, None] == groups[None, :], -torch.inf)
    weights, neighbours = similarity.topk(min(k, len(z) - 1))
    votes = torch.zeros(len(z), int(labels.max()) + 1).scatter_add_(1, labels[neighbours], (weights / 0.07).exp())
    return float((votes.argmax(1) == labels).float().mean())


@dataclass(frozen=True)
class Health:
    """What the monitors saw at one step."""

    step: int
    std: float
    """`scaled_std` of the encoder's embeddings."""
    rank: float
    """`effective_rank` of the encoder's embeddings."""
    projection_std: float | None
    """`scaled_std` of the projections the loss compares, where the method has them."""
    projection_rank: float | None
    knn: float | None
    """`knn_accuracy`, where the items have labels."""

    def as_metrics(self) -> dict[str, float]:
        """Names and values for the logs; what was not measured is left out."""
        return {f"monitor/{name}": float(v) for name, v in asdict(self).items() if v is not None and name != "step"}


def measure(
    step: int,
    embeddings_ND: Tensor,
    projections_NP: Tensor | None,
    labels_N: Tensor | None,
    groups_N: Tensor,
    k: int,
) -> Health:
    """All monitors of one moment; `labels_N` is None when the items have none."""
    projected = projections_NP is not None
    return Health(
        step=step,
        std=scaled_std(embeddings_ND),
        rank=effective_rank(embeddings_ND),
        projection_std=scaled_std(projections_NP) if projected else None,  # type: ignore[arg-type]
        projection_rank=effective_rank(projections_NP) if projected else None,  # type: ignore[arg-type]
        knn=None if labels_N is None else knn_accuracy(embeddings_ND, labels_N, groups_N, k),
    )


def best(a: Health | None, b: Health) -> Health:
    """The later of two moments with the larger of each measure."""
    if a is None:
        return b
    return replace(b, **{name: max(getattr(a, name) or v, v) for name, v in asdict(b).items() if v is not None})


def warning(health: Health, most: Health | None, config: MonitorConfig) -> str | None:
    """A plain sentence when the embedding looks collapsed, otherwise None.

    Embeddings and projections are judged apart: a deep head can collapse under an encoder that is still spread. Both
    measures are needed: without a stop-gradient SimSiam keeps its deviation and loses its rank. An untrained network
    too gives all sounds nearly the same embedding, the more so the fewer are watched, and is not collapsed: a low
    measure counts where training has lowered it.

    Args:
        health: what is seen now.
        most: `best` of what was seen from before the first step on; None when nobody looked, and then low is low.
        config: the thresholds.
    """

    def lost(name: str, least: float) -> bool:
        value, before = getattr(health, name), getattr(most, name, None)
        return value is not None and value < (least if before is None else min(least, config.min_share * before))

    for what, prefix in (("embedding", ""), ("projection", "projection_")):
        if lost(f"{prefix}std", config.min_std) or lost(f"{prefix}rank", config.min_rank):
            std, rank = (getattr(health, f"{prefix}{name}") for name in ("std", "rank"))
            return (
                f"step {health.step}: the {what} looks collapsed: its deviation is {std:.2f} of what a spread one has "
                f"(low is below {config.min_std:g}) and its effective rank is {rank:.1f} (low is below "
                f"{config.min_rank:g}), less than it had before; clips are getting nearly the same {what}. Try a "
                f"smaller learning rate, a larger batch, or other views"
            )
    return None

"""Losses of momentum contrast. Shapes: N clips, D embedding size, K rows of the queue."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.contrastive import info_nce
from audiossl.methods.losses.precision import full_precision


@full_precision
def moco(query_ND: Tensor, key_ND: Tensor, queue_KD: Tensor, temperature: float) -> Tensor:
    """InfoNCE with a queue (He et al. 2020): the mean of -log softmax of query and key among the key and the queue.

    All embeddings equal gives log(1 + K).

    Args:
        query_ND: not necessarily normalised.
        key_ND: the teacher's embedding of the same clips, not necessarily normalised; gets no gradient.
        queue_KD: normalised embeddings of other clips; gets no gradient.
        temperature: divides the cosine similarities; above 0.

    Returns:
        A scalar.
    """
    query_ND, key_ND = F.normalize(query_ND, dim=1), F.normalize(key_ND.detach(), dim=1)
    own_N1 = (query_ND * key_ND).sum(dim=1, keepdim=True)
    logits = torch.cat([own_N1, query_ND @ queue_KD.detach().T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))


@full_precision
def moco_v3(prediction_ND: Tensor, key_ND: Tensor, temperature: float) -> Tensor:
    """One direction of MoCo v3's loss (Chen et al. 2021): InfoNCE within the batch times 2 * temperature.

    The factor keeps the size of the gradient about the same at every temperature.

    Args:
        prediction_ND: not necessarily normalised.
        key_ND: row n belongs to prediction n, the others are its negatives.
        temperature: divides the cosine similarities; above 0.

    Returns:
        A scalar.
    """
    return 2 * temperature * info_nce(prediction_ND, key_ND, temperature)

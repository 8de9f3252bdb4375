"""The loss of CPC. Shapes: B clips, U frames, K steps, L latents, C context, V = U - k frames that step k predicts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from audiossl.methods.losses.precision import full_precision

NegativesFrom = Literal["sequence", "batch", "both"]


@full_precision
def cpc(z_BUL: Tensor, c_BUC: Tensor, w_KLC: Tensor, negatives_from: NegativesFrom) -> Tensor:
    """The loss of CPC (van den Oord et al. 2018), the mean over the K steps.

    For step k the score of frame v of clip j, given what clip b was until frame u, is z[j, v] . W_k c[b, u]. The loss
    is the mean of -log softmax of the score of z[b, u + k] among the candidates, over all b and all u < U - k: the
    last k frames have nothing to predict. Equal embeddings give the mean over k of the log of how many candidates are

    - `sequence`: z[b, v] for all v from k on, U - k of them;
    - `batch`: z[j, u + k] for all j, B of them;
    - `both`: these and those, the right one once, U - k + B - 1 of them.

    Args:
        z_BUL: latents of each frame.
        c_BUC: context of each frame, which knows no later one.
        w_KLC: one matrix per step; K is below U.
        negatives_from: which frames are candidates.

    Returns:
        A scalar.
    """
    steps = [_step(z_BUL[:, k:], c_BUC[:, :-k] @ w_LC.T, negatives_from) for k, w_LC in enumerate(w_KLC, 1)]
    return torch.stack(steps).mean()


def _step(target_BVL: Tensor, predicted_BVL: Tensor, negatives_from: NegativesFrom) -> Tensor:
    """The loss of one step: row (b, v) of both tensors belong together."""
    clips, frames = target_BVL.shape[:2]
    own_clip = torch.arange(clips, device=target_BVL.device)[:, None].expand(clips, frames)
    own_frame = torch.arange(frames, device=target_BVL.device).expand(clips, frames)
    if negatives_from == "batch":
        return _cross_entropy(_among_clips(target_BVL, predicted_BVL), own_clip)
    among_frames_BVV = predicted_BVL @ target_BVL.transpose(1, 2)
    if negatives_from == "sequence":
        return _cross_entropy(among_frames_BVV, own_frame)
    own_BVB = F.one_hot(own_clip, clips).bool()
    others_BVB = _among_clips(target_BVL, predicted_BVL).masked_fill(own_BVB, -torch.inf)
    return _cross_entropy(torch.cat([among_frames_BVV, others_BVB], dim=2), own_frame)


def _among_clips(target_BVL: Tensor, predicted_BVL: Tensor) -> Tensor:
    """Scores (B, V, B) of every clip's target at the same time."""
    return torch.einsum("bvl,jvl->bvj", predicted_BVL, target_BVL)


def _cross_entropy(logits_BVM: Tensor, right_BV: Tensor) -> Tensor:
    return F.cross_entropy(logits_BVM.flatten(0, 1), right_BV.flatten())

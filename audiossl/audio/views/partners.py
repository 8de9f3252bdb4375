"""Which other clip of the batch an example is mixed with."""

from __future__ import annotations

import torch
from torch import Tensor

from audiossl.errors import UsageError
from audiossl.views.base import Draw


def draw_partners(examples: int, draw: Draw, name: str) -> Tensor:
    """For every example of a batch, an example of the same view and another clip, uniformly.

    The views of a clip get different clips as long as the batch has enough of them.

    Args:
        examples: B = views * clips.
        draw: the random numbers and the number of views.
        name: of the view that mixes, for the message.

    Returns:
        Indices into the batch, (B,) int64.

    Raises:
        UsageError: there is no other clip.
    """
    assert examples % draw.views == 0
    clips = examples // draw.views
    if clips < 2:
        raise UsageError(f"{name} mixes a clip with another one of the batch, which has one clip; use at least 2 clips")
    others = min(draw.views, clips - 1)
    scores = draw.uniform(0, 1, clips, clips - 1)
    steps_NV = 1 + scores.topk(others, dim=1).indices
    view = torch.arange(draw.views, device=steps_NV.device)
    clip = torch.arange(clips, device=steps_NV.device)
    partner_VN = (clip + steps_NV.T[view % others]) % clips
    return (partner_VN + clips * view[:, None]).flatten()

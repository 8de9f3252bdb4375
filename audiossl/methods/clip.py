"""CLIP: a clip and what is said of it, in one space."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from audiossl.methods.base import At, Method, ViewPlan
from audiossl.methods.heads import build_head
from audiossl.methods.losses.contrastive import symmetric_info_nce
from audiossl.recipe.methods.clip import ClipConfig

MAX_SCALE = 100.0
"""Of the similarities, as in the paper: a sharper softmax does not train well."""


class Clip(Method[ClipConfig]):
    """CLIP (Radford et al. 2021): symmetric InfoNCE between clips and texts, its temperature learnt.

    Equal texts, such as class names, need no care: they have equal embeddings, so that over a batch the loss and its
    gradient are those of a target spread evenly over all clips of that text. Clips of one class are not pushed apart.
    """

    @classmethod
    def view_plan(cls, config: ClipConfig) -> ViewPlan:
        """One view of each clip, and its text."""
        return ViewPlan(views=1, text=True)

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make both heads and the scale of the similarities."""
        self.head = build_head(self.config.head, embedding_dim)
        self.text_head = build_head(self.config.text_head, self.partner.embedding_dim)  # type: ignore[arg-type]
        self.log_scale = nn.Parameter(torch.tensor(-math.log(self.config.temperature)))

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """The loss of clips (N, C, F, T) and their texts (N, L); `scale` is what similarities are multiplied by."""
        clip_NCFT, text_NL = views
        clip_ND = self.gather(self.head(self.encoder(clip_NCFT)))
        text_ND = self.gather(self.text_head(self.partner(text_NL)))
        loss = symmetric_info_nce(clip_ND, text_ND, (-self.log_scale).exp())
        return {"loss": loss, "scale": self.log_scale.exp()}

    @torch.no_grad()
    def after_step(self, at: At) -> None:
        """Keep the scale at 100 or less."""
        self.log_scale.clamp_(max=math.log(MAX_SCALE))

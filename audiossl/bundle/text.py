"""The text side of a bundle: words, and sounds or pictures, in one space, as CLIP learnt it.

Shapes: n texts, N embeddings of sounds or pictures, D their size, P the size of the common space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.data.texts import text_rows
from audiossl.encoders.text import TextEncoder
from audiossl.methods.build import build_method
from audiossl.methods.clip import Clip
from audiossl.modality import modality_of
from audiossl.recipe.schema import Recipe


class TextSide(nn.Module):
    """A text encoder, the heads of texts and of examples, and the learnt scale of the similarities.

    Args:
        method: whose parts it takes; they are shared, not copied.
        text_bytes: a longer text is cut.
    """

    def __init__(self, method: Clip, text_bytes: int) -> None:
        super().__init__()
        assert isinstance(method.partner, TextEncoder)
        self.partner, self.text_head, self.head = method.partner, method.text_head, method.head
        self.log_scale = method.log_scale
        self.text_bytes = text_bytes

    @property
    def dim(self) -> int:
        """P."""
        linear = [layer for layer in self.head if isinstance(layer, nn.Linear)]
        return linear[-1].out_features

    @property
    def scale(self) -> float:
        """What a cosine similarity is multiplied by before the softmax over texts."""
        return float(self.log_scale.detach().exp())

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """The texts in the common space (n, P), of length 1."""
        rows = text_rows(texts, self.text_bytes).to(self.log_scale.device)
        return F.normalize(self.text_head(self.partner(rows)), dim=1)

    @torch.inference_mode()
    def project(self, embeddings_ND: Tensor) -> Tensor:
        """Embeddings of sounds or pictures in the common space (N, P), of length 1."""
        return F.normalize(self.head(embeddings_ND.to(self.log_scale.device)), dim=1)


def text_side(method: nn.Module, recipe: Recipe) -> TextSide | None:
    """The text side of a method as `recipe` trained it; None where it learns without texts."""
    return TextSide(method, recipe.data.text_bytes) if isinstance(method, Clip) else None


def build_text_side(recipe: Recipe, embedding_dim: int) -> TextSide | None:
    """`text_side` of a method not trained yet, its weights from torch's global random state.

    Raises:
        RecipeError: the text encoder's library or model is not there.
    """
    if recipe.method.name != "clip":
        return None
    partner = modality_of(recipe).build_partner(recipe)
    return text_side(build_method(recipe.method, nn.Identity(), embedding_dim, 1, partner), recipe)

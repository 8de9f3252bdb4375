"""The world of vectors with words: each cluster has three names, and now and then a clip is called by a wrong one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiossl.data.texts import text_rows
from audiossl.encoders.text import TextTransformer
from audiossl.methods.base import ViewPlan
from audiossl.recipe.text_encoders import TextTransformerConfig
from tests.methods.toy import CLUSTERS, WORLDS, World

SMALL = TextTransformerConfig(dim=32, layers=1, heads=2)
LETTERS, NAMES, WRONG = 6, 3, 0.1


class Words(World):
    def __init__(self) -> None:
        letters = torch.randint(97, 123, (CLUSTERS * NAMES, LETTERS), generator=torch.Generator().manual_seed(0))
        self.names = text_rows([bytes(word.tolist()).decode() for word in letters], 8).view(CLUSTERS, NAMES, 8)

    def partner(self) -> nn.Module | None:
        return TextTransformer(SMALL)

    def views(self, plan: ViewPlan, items: Tensor, labels: Tensor, generator: torch.Generator) -> list[Tensor]:
        wrong = torch.rand(len(labels), generator=generator) < WRONG
        said = torch.where(wrong, torch.randint(CLUSTERS, labels.shape, generator=generator), labels)
        name = torch.randint(NAMES, labels.shape, generator=generator)
        return [*(self.view(items, generator) for _ in range(plan.views)), self.names[said, name]]


WORDS = "words"
WORLDS[WORDS] = Words()

"""What a head trained by gradient descent is given: one row for each item to learn from, one or several to score.

Letters: N items, P patches, B rows of a batch, D dimensions, F mel bands, T frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from audiossl.evaluation.features.patches import MovingPatches, Patches
from audiossl.evaluation.heads.scaling import Doubles, Scale
from audiossl.evaluation.task import Ints

ROWS_AT_ONCE = 8192
PATCHES_AT_ONCE = 256


class Inputs(Protocol):
    """Rows of items."""

    dim: int
    """D, of what the head is given."""

    def network(self, head: nn.Module) -> nn.Module:
        """What turns rows into logits."""

    def drawn(self, items: Ints, stream: np.random.Generator) -> Tensor:
        """One row for each of `items`."""

    def scored(self, items: Ints) -> Iterator[tuple[Tensor, Ints]]:
        """All rows of `items` in pieces, each with the place in `items` that its rows belong to."""


class ClipInputs:
    """One embedding per item."""

    def __init__(self, x_ND: Doubles, scale: Scale, device: torch.device) -> None:
        self.x = torch.from_numpy(scale(x_ND).astype(np.float32)).to(device)
        self.dim = self.x.shape[1]

    def network(self, head: nn.Module) -> nn.Module:
        """The head."""
        return head

    def drawn(self, items: Ints, stream: np.random.Generator) -> Tensor:
        """(B, D)."""
        return self.x[torch.from_numpy(items)]

    def scored(self, items: Ints) -> Iterator[tuple[Tensor, Ints]]:
        """(B, D), as many as items."""
        for start in range(0, len(items), ROWS_AT_ONCE):
            part = items[start : start + ROWS_AT_ONCE]
            yield self.x[torch.from_numpy(part)], np.arange(start, start + len(part))


class PatchInputs:
    """Several embeddings per item, computed in advance."""

    def __init__(self, patches: Patches, scale: Scale, device: torch.device) -> None:
        self.patches = patches
        self.x = torch.from_numpy(scale(patches.values.astype(np.float64)).astype(np.float32)).to(device)
        self.dim = self.x.shape[1]

    def network(self, head: nn.Module) -> nn.Module:
        """The head."""
        return head

    def drawn(self, items: Ints, stream: np.random.Generator) -> Tensor:
        """(B, D): of each item one of its patches."""
        first, count = self.patches.first[items], self.patches.count[items]
        return self.x[torch.from_numpy(first + (stream.random(len(items)) * count).astype(np.int64))]

    def scored(self, items: Ints) -> Iterator[tuple[Tensor, Ints]]:
        """(B, D): the patches to be scored."""
        place_N = np.full(len(self.patches.first), -1)
        place_N[items] = np.arange(len(items))
        place_P = place_N[self.patches.owner]
        rows = np.flatnonzero(self.patches.scored & (place_P >= 0))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            yield self.x[torch.from_numpy(part)], place_P[part]


class MovingInputs:
    """Patches of spectrograms, embedded anew each time by a copy of the encoder whose BatchNorm keeps moving."""

    def __init__(self, patches: MovingPatches, device: torch.device) -> None:
        self.patches, self.device = patches, device
        self.dim = patches.encoder.embedding_dim

    def network(self, head: nn.Module) -> nn.Module:
        """The head on a copy of the encoder."""
        return MovingEncoder(self.patches.encoder, head).to(self.device)

    def drawn(self, items: Ints, stream: np.random.Generator) -> Tensor:
        """(B, 1, F, T): of each item a patch from any frame on."""
        clips = [self.patches.spectrograms[item] for item in items]
        rooms = np.array([clip.shape[-1] for clip in clips]) - self.patches.length + 1
        starts = (stream.random(len(clips)) * rooms).astype(np.int64)
        rows = [clip[:, start : start + self.patches.length] for clip, start in zip(clips, starts, strict=True)]
        return torch.stack(rows)[:, None].to(self.device)

    def scored(self, items: Ints) -> Iterator[tuple[Tensor, Ints]]:
        """(B, 1, F, T): the patches to be scored."""
        waiting: list[Tensor] = []
        places: list[int] = []
        for place, item in enumerate(items):
            cut = self.patches.spectrograms[item].unfold(1, self.patches.length, self.patches.hop).transpose(0, 1)
            waiting.append(cut)
            places += [place] * len(cut)
            if len(places) >= PATCHES_AT_ONCE or place == len(items) - 1:
                yield torch.cat(waiting)[:, None].to(self.device), np.array(places)
                waiting, places = [], []


class MovingEncoder(nn.Module):
    """A frozen encoder in front of a head; while training its BatchNorm uses and moves the statistics of batches."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = deepcopy(encoder).requires_grad_(False)
        self.head = head

    def train(self, mode: bool = True) -> MovingEncoder:
        """Only BatchNorm and the head change: the encoder's dropout would be no part of the original."""
        super().train(mode)
        self.encoder.eval()
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.train(mode)
        return self

    def forward(self, x_BCFT: Tensor) -> Tensor:
        """Logits (B, K)."""
        with torch.no_grad():
            embedding_BD = self.encoder(x_BCFT)
        logits: Tensor = self.head(embedding_BD)
        return logits

"""Embeddings as a torch Dataset, for heads trained by gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from audiossl.embedding.view import Embeddings


class EmbeddingDataset(Dataset[tuple[Tensor, Tensor]]):
    """Rows `(embedding (D,) float32, target)`, in the order of the view.

    A target is the class's number, or -1 without a label, where no row has more than one label; otherwise which
    classes the row has, (K,) float32.

    Attributes:
        classes: the labels, sorted.
    """

    def __init__(self, rows: Embeddings, *, mapped: bool = False) -> None:
        self._embeddings = rows.mapped() if mapped else rows.numpy()
        labels = rows.table(["labels"]).column("labels").to_pylist()
        self.classes: list[str] = sorted({label for row in labels for label in row})
        number = {label: at for at, label in enumerate(self.classes)}
        if any(len(row) > 1 for row in labels):
            self.targets = torch.zeros(len(labels), len(self.classes))
            for at, row in enumerate(labels):
                self.targets[at, [number[label] for label in row]] = 1.0
        else:
            self.targets = torch.tensor([number[row[0]] if row else -1 for row in labels], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._embeddings)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        # A copy, since torch warns of memory that cannot be written, which a map is.
        return torch.from_numpy(self._embeddings[index].copy()), self.targets[index]

"""Texts as numbers: rows of UTF-8 bytes, which need no vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def text_rows(texts: Sequence[str], length: int) -> Tensor:
    """The UTF-8 bytes of each text (N, length), int64, 0 after the end.

    A longer text is cut after the last character that fits whole; the character of code 0 becomes a space.
    """
    rows = torch.zeros(len(texts), length, dtype=torch.int64)
    for row, text in zip(rows, texts, strict=True):
        whole = text.encode()[:length].decode(errors="ignore").encode()
        row[: len(whole)] = torch.tensor(list(whole.replace(b"\0", b" ")), dtype=torch.int64)
    return rows

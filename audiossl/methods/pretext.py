"""Pretext tasks: something known is done to a clip, and the network must tell what.

Every clip counts for itself, so nothing is gathered from other ranks. The classifier is not called `head`: the monitors
would take its few classes for a collapse.
"""

from __future__ import annotations

import abc
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import RecipeError
from audiossl.methods.base import At, OneView
from audiossl.methods.changes import transformed, turns
from audiossl.methods.heads import build_head
from audiossl.methods.losses.precision import full_precision
from audiossl.methods.tiles import cut, distant_orders, shuffled, standardised
from audiossl.recipe.methods import JigsawConfig, RotationConfig, TransformsConfig
from audiossl.recipe.methods.base import head_dim

C = TypeVar("C", RotationConfig, TransformsConfig)


class Changed(OneView[C], abc.ABC):
    """A method that makes K changed copies of every clip and asks of each which it is."""

    classes: int

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the classifier."""
        self.classifier = build_classifier(self.config.hidden, embedding_dim, self.classes)

    @abc.abstractmethod
    def changed(self, view: Tensor) -> list[Tensor]:
        """The K copies of a view (N, C, F, T), each of one shape."""

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Cross-entropy over the copies, all of them in one batch, as in the paper."""
        with torch.autocast(views[0].device.type, enabled=False):
            copies = self.changed(views[0])
        logits = self.classifier(self.encoder(torch.cat(copies)))
        answers = torch.arange(len(copies), device=logits.device).repeat_interleave(len(index))
        return classification(logits, answers)


class Rotation(Changed[RotationConfig]):
    """Rotation prediction (Gidaris et al. 2018): four quarter turns."""

    classes = 4

    def changed(self, view: Tensor) -> list[Tensor]:
        """The four turns (raises `RecipeError` unless the picture is square)."""
        if view.shape[2] != view.shape[3]:
            raise RecipeError(
                f"method: rotation turns square pictures only, not {view.shape[2]} x {view.shape[3]}; "
                "write name: transforms for sound"
            )
        return turns(view)


class Transforms(Changed[TransformsConfig]):
    """Transform prediction, rotation's twin for sound: flips, and changes of tempo or rate."""

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make the classifier, one class for each transform."""
        self.classes = len(self.config.transforms)
        super().build(embedding_dim, n_items)

    def changed(self, view: Tensor) -> list[Tensor]:
        """The config's transforms of the view."""
        return transformed(view, self.config.transforms, self.config.factor, self.config.smoothing)


class Jigsaw(OneView[JigsawConfig]):
    """Jigsaw puzzles (Noroozi and Favaro 2016): tiles pass the encoder one by one; which of P orders are they in?"""

    orders: Tensor

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Choose the orders, make the head of a tile and the classifier.

        Raises:
            RecipeError: more than one row of tiles for an encoder of a fixed number of bands, or size of pictures.
        """
        rows, columns = self.config.grid
        if rows > 1 and not getattr(self.encoder, "any_bands", True):
            raise RecipeError(
                f"method.grid: this encoder takes all mel bands, or the whole picture, at once and no tiles of them; "
                f"write grid: [1, {rows * columns}], which cuts time alone, or for pictures another encoder"
            )
        tiles, count = rows * columns, self.config.permutations
        self.register_buffer("orders", distant_orders(tiles, count, self.config.permutation_seed))
        self.tile_head = build_head(self.config.tile_head, embedding_dim)
        self.classifier = build_classifier(self.config.hidden, tiles * head_dim(self.config.tile_head), count)

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Cross-entropy over the orders, one puzzle from each clip.

        Tiles are shuffled after the encoder, which sees each alone and is none the wiser.
        """
        tiles = standardised(cut(views[0], self.config.grid, self.config.gap))
        z = self.tile_head(self.encoder(tiles.flatten(0, 1))).unflatten(0, tiles.shape[:2])
        answers = torch.randint(len(self.orders), (len(z),), device=z.device)
        return classification(self.classifier(shuffled(z, self.orders[answers]).flatten(1)), answers)


def build_classifier(hidden: str, dim_in: int, classes: int) -> nn.Sequential:
    """The layers of `hidden`, then one to the classes."""
    return nn.Sequential(build_head(hidden, dim_in), nn.Linear(head_dim(hidden), classes))


def classification(logits: Tensor, answers: Tensor) -> dict[str, Tensor]:
    """Mean cross-entropy and accuracy of logits (M, classes) against answers (M,)."""
    loss = full_precision(F.cross_entropy)(logits, answers)
    return {"loss": loss, "accuracy": (logits.argmax(dim=1) == answers).float().mean()}

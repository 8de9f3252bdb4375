"""What a row of the table offers to the protocols: its embeddings of the items, each kind computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiossl.bundle.bundle import Bundle
from audiossl.data.items import Items
from audiossl.embedding.features import clip_features
from audiossl.embedding.frames import frame_features
from audiossl.evaluation.features.frames import Frames
from audiossl.evaluation.features.patches import patch_features
from audiossl.evaluation.finetune.examples import Examples
from audiossl.evaluation.heads.zero_shot import similarities
from audiossl.evaluation.protocol import Protocol
from audiossl.evaluation.protocol.base import HeadConfig
from audiossl.evaluation.protocol.end_to_end import ExampleFeatures
from audiossl.evaluation.protocol.parts import ClipFeatures, PatchFeatures, ZeroShotConfig
from audiossl.evaluation.task import Task
from audiossl.progress import Progress

Features = NDArray[np.float32]


@dataclass
class Source:
    """Embeddings of `items` from an encoder, or plain features without one.

    Attributes:
        items: in the order of the task.
        progress: told about every extraction.
        encoder: gives the encoder, built when first needed; None for plain features, which exist for whole clips only.
        plain: gives the clips' features (N, D) where there is no encoder.
        known: the clips' features, where they have been computed already.
        trains: whether protocols that train the encoder along score it: a model, not its untrained twins, of which
            that would be training from scratch with the learning rates of fine-tuning.
        keep: whether rounds of such training are taken from the cache folder and kept there.
    """

    items: Items
    progress: Progress
    encoder: Callable[[], Bundle] | None = None
    plain: Callable[[Items, Progress], Features] | None = None
    known: Features | None = None
    trains: bool = False
    keep: bool = True

    @cached_property
    def bundle(self) -> Bundle | None:
        """The encoder; a caller must leave its weights as they are."""
        return None if self.encoder is None else self.encoder()

    @cached_property
    def clips(self) -> Features:
        """The clips' embeddings (N, D)."""
        if self.known is not None:
            return self.known
        if self.bundle is not None:
            return clip_features(self.bundle, self.items, progress=self.progress)
        assert self.plain is not None
        return self.plain(self.items, self.progress)

    def offers(self, protocol: Protocol) -> bool:
        """Whether `protocol` can score this source."""
        if protocol.needs_text:
            return self.bundle is not None and self.bundle.text is not None
        if isinstance(protocol.features, ExampleFeatures):
            return self.trains
        return isinstance(protocol.features, ClipFeatures) or self.encoder is not None

    def features(self, protocol: Protocol, task: Task) -> Any:
        """What the protocol's predictor wants: clips (N, D), or for the other units what their room defines."""
        head: HeadConfig = protocol.head
        if isinstance(head, ZeroShotConfig):
            assert self.bundle is not None
            return similarities(self.bundle, self.clips, task.classes, head)
        if isinstance(protocol.features, ClipFeatures):
            return self.clips
        if isinstance(protocol.features, PatchFeatures):
            assert self.bundle is not None
            return patch_features(self.bundle, self.items, protocol.features, self.progress)
        if isinstance(protocol.features, ExampleFeatures):
            assert self.bundle is not None
            return Examples(self.bundle, self.items, self.progress, self.keep)
        assert self.bundle is not None
        return Frames.of(frame_features(self.bundle, self.items, protocol.features.hop_s, progress=self.progress))

"""Which decode, front end, views and encoders belong together: the one place that names a wing's rooms.

Bundles, training and embedding ask `modality_of(recipe)` and know no sound from an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audiossl.audio import decode
from audiossl.audio.frontend import build_frontend
from audiossl.encoders.base import Encoder
from audiossl.encoders.build import build_encoder
from audiossl.recipe.schema import Recipe


def _audio_views(recipe: Recipe, statistics: Any) -> Any:
    from audiossl.audio.views.build import build_views  # only training needs it

    front = recipe.frontend
    return build_views(recipe.views, sample_rate=front.sample_rate, log=front.log, statistics=statistics)


@dataclass(frozen=True)
class Modality:
    """The parts of one wing. Each is the function of that name in the wing's own room."""

    name: str
    probe: Callable[..., Any]
    """What a file's header says, without decoding it."""
    decode: Callable[..., Any]
    """One example, whole."""
    blocks: Callable[..., Any]
    """One long example in pieces that follow each other, in bounded memory."""
    resample: Callable[..., Any]
    """Samples at one rate to samples at another."""
    build_frontend: Callable[..., Any]
    build_views: Callable[..., Any]
    build_encoder: Callable[..., Encoder]


AUDIO = Modality(
    name="audio",
    probe=decode.probe,
    decode=decode.decode,
    blocks=decode.blocks,
    resample=decode.resample,
    build_frontend=build_frontend,
    build_views=_audio_views,
    build_encoder=build_encoder,
)

_MODALITIES = {AUDIO.name: AUDIO}


def modality_of(recipe: Recipe) -> Modality:
    """The modality that `recipe` names."""
    return _MODALITIES[recipe.modality]

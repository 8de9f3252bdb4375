"""What data ask of each modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from audiossl.audio import look as sounds
from audiossl.audio.synth import make_sounds
from audiossl.data.walk import Modality
from audiossl.image import look as pictures
from audiossl.image.synth import make_images


class Wing(NamedTuple):
    """The functions of one wing."""

    look: Callable[[Path, bool], Any]
    summarise: Callable[[Mapping[str, Any], bool], Any]
    make_set: Callable[[str | Path, int, int], Path]


WINGS: dict[Modality, Wing] = {
    "audio": Wing(sounds.look, sounds.summarise, make_sounds),
    "image": Wing(pictures.look, pictures.summarise, make_images),
}

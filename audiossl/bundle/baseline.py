"""What can stand in the place of an encoder without having learnt anything: `logmel` and `mfcc`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from audiossl.audio.statistics import RATE, SETTINGS, STATISTICS
from audiossl.bundle.bundle import Bundle
from audiossl.bundle.load import load_bundle
from audiossl.modality import AUDIO, Modality

BASELINES = tuple(SETTINGS)
"""Their names; a bundle of such a name is given as `./logmel`."""


@dataclass(frozen=True)
class Baseline:
    """Plain statistics of a sound (see `audio.statistics`) that are embedded, stored and searched like an encoder's."""

    sample_rate: ClassVar[int] = RATE
    """Hz, of the sounds it wants."""
    modality: ClassVar[Modality] = AUDIO
    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides a number, but the version of librosa."""
        return {"rate": RATE, "statistics": STATISTICS, **SETTINGS[self.name]}

    @property
    def librosa(self) -> str:
        """The installed version, without importing it."""
        return version("librosa")

    @property
    def sha256(self) -> str:
        """Its identity in a store: the hash of name, settings and librosa's version."""
        told = {"baseline": self.name, "settings": self.settings, "librosa": self.librosa}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """As `Bundle.describe`, where the two have the same to say."""
        return {
            "sha256": self.sha256,
            "modality": self.modality.name,
            "path": self.name,
            "recipe": None,
            "encoder": {"name": self.name, **self.settings},
            "librosa": self.librosa,
        }


Model = Bundle | Baseline
"""What embeds sounds."""


def load_model(name: str | Path) -> Model:
    """The baseline of that name, or the bundle at that path (raises `CheckpointError` as `load_bundle`)."""
    return Baseline(str(name)) if str(name) in BASELINES else load_bundle(name)

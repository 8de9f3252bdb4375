"""What can stand in the place of an encoder without having learnt anything: each wing's plain features, by name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from audiossl.bundle.bundle import Bundle
from audiossl.bundle.load import load_bundle
from audiossl.media import Plain
from audiossl.modality import MODALITIES, Modality, modality_of

PLAIN: dict[str, Plain] = {plain.name: plain for modality in MODALITIES.values() for plain in modality.plain()}
BASELINES = tuple(PLAIN)
"""Their names; a bundle of such a name is given as `./logmel`."""


@dataclass(frozen=True)
class Baseline:
    """Plain features that are embedded, stored and searched like an encoder's."""

    name: str

    @property
    def plain(self) -> Plain:
        """What makes them."""
        return PLAIN[self.name]

    @property
    def modality(self) -> Modality:
        """What they are of."""
        return modality_of(self.plain.recipe)

    @property
    def versions(self) -> dict[str, str]:
        """The installed version of the package that they are made with, without importing it."""
        return {self.plain.package: version(self.plain.package)}

    @property
    def sha256(self) -> str:
        """Its identity in a store: the hash of name, settings and the package's version."""
        told = {"baseline": self.name, "settings": self.plain.settings, **self.versions}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """As `Bundle.describe`, where the two have the same to say."""
        return {
            "sha256": self.sha256,
            "path": self.name,
            "modality": self.modality.name,
            "recipe": None,
            "encoder": {"name": self.name, **self.plain.settings},
            **self.versions,
        }


Model = Bundle | Baseline
"""What embeds examples."""


def load_model(name: str | Path) -> Model:
    """The baseline of that name, or the bundle at that path (raises `CheckpointError` as `load_bundle`)."""
    return Baseline(str(name)) if str(name) in BASELINES else load_bundle(name)

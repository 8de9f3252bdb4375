"""A tiny model in a file, for whatever is broken around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl.bundle.save import save_bundle
from tests.faults.broken import tiny_bundle


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `tiny_bundle` as a file."""
    bundle, path = tiny_bundle(), tmp_path_factory.mktemp("tiny") / "encoder.safetensors"
    save_bundle(path, encoder=bundle.encoder, recipe=bundle.recipe, statistics=bundle.statistics)
    return path

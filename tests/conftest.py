"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference arrays and real sounds; absent for most users, required in CI."""
    folder = Path(os.environ.get("AUDIOSSL_SHARED", Path(__file__).parents[2] / "shared"))
    if folder.is_dir():
        return folder
    if os.environ.get("CI") == "true":
        pytest.fail(f"the reference arrays are missing: no folder {folder}")
    pytest.skip(f"needs the reference arrays: no folder {folder}")

"""Random numbers for the views, and the reference arrays in our axis order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor


class Reference:
    """Arrays of the reference system: patches (time, frequency) come out as batches (1, 1, F, T)."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = arrays

    def patch(self, name: str) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.arrays[name].T))[None, None]

    def numbers(self, name: str) -> list[float]:
        return self.arrays[name].ravel().tolist()


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    return Reference(np.load(shared / "reference" / "uclser20_pipeline.npz"))


@pytest.fixture(scope="module")
def own_reference() -> Reference:
    return Reference(np.load(Path(__file__).parents[2] / "data" / "views.npz"))


@pytest.fixture(params=["committed", pytest.param("shared", marks=pytest.mark.shared)])
def either_reference(request: pytest.FixtureRequest) -> Reference:
    """The arrays kept with the tests, then the same of the full set."""
    found: Reference = request.getfixturevalue("own_reference" if request.param == "committed" else "reference")
    return found


@pytest.fixture(autouse=True)
def _same_inputs_every_time() -> None:
    torch.manual_seed(0)
